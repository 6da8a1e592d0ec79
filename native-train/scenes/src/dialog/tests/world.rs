//! Scenes of rectangles, drawn from far to near.

use crate::{Family, Object, Scene};
use rand::Rng;
use rand::seq::IndexedRandom;
use refvlm_record::Mask;

const CLASSES: [(&str, &str, Family, bool); 9] = [
    ("dog", "dogs", Family::Animal, false),
    ("duck", "ducks", Family::Animal, false),
    ("bird", "birds", Family::Animal, true),
    ("apple", "apples", Family::Food, false),
    ("car", "cars", Family::Vehicle, true),
    ("bus", "buses", Family::Vehicle, false),
    ("tree", "trees", Family::Plant, false),
    ("balloon", "balloons", Family::Thing, true),
    ("person", "people", Family::Person, true),
];

/// An object whose mask is the whole rectangle `[x, y, w, h]` of a `width` x `height` picture.
pub(super) fn object(class: &str, depth_m: f32, rect: [u32; 4], size: [u32; 2]) -> Object {
    let &(class, plural, family, _) = CLASSES.iter().find(|known| known.0 == class).unwrap();
    let mut mask = Mask::zeros(size[0], size[1]);
    for y in rect[1]..rect[1] + rect[3] {
        for x in rect[0]..rect[0] + rect[2] {
            mask.pixels[(y * size[0] + x) as usize] = 1;
        }
    }
    let bbox = rect.map(|v| v as f32);
    let keypoints = (family == Family::Person).then(|| {
        std::array::from_fn(|k| [bbox[0] + bbox[2] * k as f32 / 17.0, bbox[1] + 1.0, 2.0])
    });
    Object {
        class,
        plural,
        family,
        colour: None,
        bbox,
        mask,
        visible: 1.0,
        depth_m,
        height_m: 1.0,
        keypoints,
    }
}

/// The scene that holds `objects`, sorted from left to right.
pub(super) fn scene_of(seed: u64, size: [u32; 2], mut objects: Vec<Object>) -> Scene {
    objects.sort_by(|a, b| (a.bbox[0] + a.bbox[2] / 2.0).total_cmp(&(b.bbox[0] + b.bbox[2] / 2.0)));
    let pixels = (size[0] * size[1]) as usize;
    Scene {
        seed,
        width: size[0],
        height: size[1],
        rgb: vec![0; pixels * 3],
        depth_m: (0..pixels).map(|at| 1.0 + at as f32 * 0.01).collect(),
        background: "a beach",
        classes: crate::World::classes().iter().map(|class| class.name).collect(),
        objects,
    }
}

pub(super) fn scene(seed: u64) -> Scene {
    random(seed, &CLASSES)
}

pub(super) fn without_people(seed: u64) -> Scene {
    random(seed, &CLASSES[..8])
}

/// Dogs and ducks only, so that superlatives and positions are needed to tell them apart.
pub(super) fn of_two_classes(seed: u64) -> Scene {
    random(seed, &CLASSES[..2])
}

fn random(seed: u64, classes: &[(&str, &str, Family, bool)]) -> Scene {
    let mut rng = super::rng(seed.wrapping_mul(77) + 5);
    let size = *[[128, 128], [128, 96], [96, 128], [256, 192]].choose(&mut rng).unwrap();
    let mut objects: Vec<Object> = Vec::new();
    for _ in 0..rng.random_range(1..=7) {
        let &(class, _, _, tinted) = classes.choose(&mut rng).unwrap();
        let (w, h) = (rng.random_range(10..40), rng.random_range(10..50));
        let rect = [rng.random_range(0..size[0] - w), rng.random_range(0..size[1] - h), w, h];
        let mut new = object(class, 2.0 + 18.0 * rng.random::<f32>(), rect, size);
        new.colour = tinted.then(|| *["red", "blue", "green"].choose(&mut rng).unwrap());
        objects.push(new);
    }
    objects.sort_by(|a, b| b.depth_m.total_cmp(&a.depth_m));
    for far in 0..objects.len() {
        let (behind, before) = objects.split_at_mut(far + 1);
        for (at, pixel) in behind[far].mask.pixels.iter_mut().enumerate() {
            *pixel &= u8::from(before.iter().all(|near| near.mask.pixels[at] == 0));
        }
    }
    objects.retain(|object| object.mask.area() >= 40);
    for object in &mut objects {
        object.bbox = object.mask.bounds().unwrap().map(|v| v as f32);
    }
    scene_of(seed, size, objects)
}
