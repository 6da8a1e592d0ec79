//! Scenes against independent recomputation and against what they promise.

use crate::background::BACKGROUNDS;
use crate::classes::CLASSES;
use crate::sprite::Pose;
use crate::tint::{ALL_COLOURS, Colour};
use crate::{Family, GOLDEN_SCENES, Scene, SceneOptions, Split, World};

fn options(side_px: u32, split: Split) -> SceneOptions {
    SceneOptions { side_px, split, ..SceneOptions::default() }
}

#[test]
fn one_seed_is_one_scene_on_any_thread() {
    let world = World::new().unwrap();
    let draw = |seed| world.scene(seed, &options(96, Split::Train));
    let here: Vec<Scene> = (0..12).map(draw).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|t| {
                let draw = &draw;
                // Another order on each thread: a scene may not depend on the one before.
                scope.spawn(move || (0..12).map(|i| draw((i * 5 + t) % 12)).collect::<Vec<_>>())
            })
            .collect();
        for (t, thread) in threads.into_iter().enumerate() {
            for (i, scene) in thread.join().unwrap().into_iter().enumerate() {
                assert_eq!(scene, here[(i * 5 + t) % 12]);
            }
        }
    });
    assert_ne!(here[0].rgb, here[1].rgb);
    assert_ne!(world.scene(0, &options(96, Split::HeldOut)).rgb, here[0].rgb);
}

#[test]
fn known_scenes_are_drawn_to_the_byte() {
    let world = World::new().unwrap();
    let drawn = GOLDEN_SCENES
        .map(|(seed, _)| (seed, world.scene(seed, &SceneOptions::default()).fingerprint()));
    assert_eq!(drawn, GOLDEN_SCENES, "{drawn:#x?}");
}

#[test]
fn a_part_of_the_world_draws_as_the_whole() {
    for split in [Split::Train, Split::HeldOut] {
        let options = SceneOptions { side_px: 64, ..SceneOptions::embedded(split) };
        let (whole, part) = (World::new().unwrap(), World::of(&options.classes).unwrap());
        for seed in 0..20 {
            assert_eq!(part.scene(seed, &options), whole.scene(seed, &options), "seed {seed}");
        }
    }
}

#[test]
fn the_embedded_model_was_trained_on_the_part_that_is_drawn_for_it() {
    #[derive(serde::Deserialize)]
    struct File {
        scenes: SceneOptions,
    }
    let file: File = toml::from_str(include_str!("../../../configs/scenes.toml")).unwrap();
    assert_eq!(file.scenes, SceneOptions::embedded(file.scenes.split));
    assert_eq!(file.scenes.unknown_class(), None);
}

#[test]
fn labels_follow_from_the_stack_of_layers() {
    let world = World::new().unwrap();
    let mut occluded = 0;
    for seed in 0..120 {
        let split = if seed % 2 == 0 { Split::Train } else { Split::HeldOut };
        let rendered = world.rendered(seed, &options(80 + (seed % 3) as u32 * 24, split));
        let (scene, stack) = (&rendered.scene, &rendered.stack);
        assert!(stack.is_sorted_by(|a, b| a.1 >= b.1), "far to near");
        assert_eq!(scene.objects.len(), stack.len());
        let alpha = |layer: usize, x: usize, y: usize| {
            let layer = &stack[layer].0;
            let (Some(dx), Some(dy)) = (x.checked_sub(layer.x0), y.checked_sub(layer.y0)) else {
                return 0;
            };
            let pixel = layer.pixels.get(dy * layer.width + dx);
            pixel.filter(|_| dx < layer.width).map_or(0, |p| p[3])
        };
        let nearest = |x: usize, y: usize| (0..stack.len()).rev().find(|&l| alpha(l, x, y) >= 128);
        let (width, height) = (scene.width as usize, scene.height as usize);
        for (object, &layer) in scene.objects.iter().zip(&rendered.origin) {
            let (mut x, mut y) = ([usize::MAX, 0], [usize::MAX, 0]);
            let (mut own, mut seen) = (0, 0);
            for (py, px) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let visible = nearest(px, py) == Some(layer);
                assert_eq!(object.mask.pixels[py * width + px] == 1, visible);
                own += usize::from(alpha(layer, px, py) >= 128);
                if visible {
                    seen += 1;
                    (x, y) = ([x[0].min(px), x[1].max(px + 1)], [y[0].min(py), y[1].max(py + 1)]);
                    assert_eq!(scene.depth_m[py * width + px], object.depth_m);
                }
            }
            let tight = [x[0], y[0], x[1] - x[0], y[1] - y[0]].map(|v| v as f32);
            assert_eq!(object.bbox, tight);
            assert_eq!(object.visible, seen as f32 / own as f32);
            occluded += usize::from(seen < own);
            for [kx, ky, v] in object.keypoints.into_iter().flatten() {
                let front = nearest(kx as usize, ky as usize);
                if v == 2.0 {
                    assert!(front.is_none_or(|f| f <= layer), "a visible joint is in front");
                }
            }
        }
        for (i, depth) in scene.depth_m.iter().enumerate() {
            if nearest(i % width, i / width).is_none() {
                assert!((0.5..=60.0).contains(depth), "background at {depth} m");
            }
        }
    }
    assert!(occluded > 60, "only {occluded} occlusions were seen");
}

#[test]
fn objects_are_ordered_and_worth_asking_about() {
    let world = World::new().unwrap();
    let mut people = 0;
    for seed in 0..400 {
        let scene = world.scene(seed, &options(128, Split::Train));
        assert!(!scene.objects.is_empty(), "seed {seed} is empty");
        let centre = |i: usize| scene.objects[i].bbox[0] + scene.objects[i].bbox[2] / 2.0;
        assert!((1..scene.objects.len()).all(|i| centre(i - 1) <= centre(i)));
        for object in &scene.objects {
            assert!(object.visible >= 0.35, "{} in {seed}: {}", object.class, object.visible);
            assert!(object.bbox[2].max(object.bbox[3]) >= 0.08 * 128.0, "{}", object.class);
            assert_eq!(object.keypoints.is_some(), object.family == Family::Person);
            let Some(joints) = object.keypoints else { continue };
            people += 1;
            for [x, y, v] in joints {
                match v {
                    0.0 => assert_eq!((x, y), (0.0, 0.0)),
                    1.0 | 2.0 => {
                        assert!((0.0..scene.width as f32).contains(&x), "x {x}");
                        assert!((0.0..scene.height as f32).contains(&y), "y {y}");
                    }
                    _ => panic!("visibility {v}"),
                }
            }
            // Shoulders 5 (left) and 6 (right) of a person who faces the viewer.
            if joints[5][2] > 0.0 && joints[6][2] > 0.0 {
                assert!(joints[5][0] > joints[6][0]);
            }
        }
    }
    assert!(people > 100);
}

#[test]
fn the_layout_is_the_same_at_every_size() {
    let world = World::new().unwrap();
    let (mut boxes, mut off) = (0, 0);
    for seed in 0..150 {
        let small = world.scene(seed, &options(128, Split::Train));
        let large = world.scene(seed, &options(512, Split::Train));
        assert_eq!((small.width * 4, small.height * 4), (large.width, large.height));
        assert_eq!(small.objects.len(), large.objects.len());
        // Two centres may be so close that rounding swaps them; depths tell objects apart.
        for a in &small.objects {
            let b = large.objects.iter().find(|b| b.depth_m == a.depth_m).unwrap();
            assert_eq!((a.class, a.colour), (b.class, b.colour));
            let corners =
                |[x, y, w, h]: [f32; 4], side: f32| [x, y, x + w, y + h].map(|v| v / side);
            let (p, q) = (corners(a.bbox, 128.0), corners(b.bbox, 512.0));
            boxes += 1;
            off += usize::from(p.iter().zip(q).any(|(p, q)| (p - q).abs() > 0.02));
        }
    }
    // What is thinner than a pixel of the small picture, such as an antenna or the rim that
    // another object leaves free, is not among its pixels.
    assert!(boxes > 300 && off * 50 <= boxes, "{off} of {boxes} boxes differ by more than 2 %");
}

#[test]
fn training_never_shows_what_is_held_out() {
    let world = World::new().unwrap();
    let novel = |scene: &Scene| {
        scene.objects.iter().any(|o| {
            o.colour.is_some_and(|c| World::is_held_out(o.class, c))
                || World::is_held_out_on(o.class, scene.background)
        })
    };
    let mut drawn = std::collections::HashSet::new();
    for seed in 0..2000 {
        let scene = world.scene(seed, &options(32, Split::Train));
        assert!(!novel(&scene), "seed {seed}");
        drawn.extend(scene.objects.iter().map(|o| o.class));
    }
    assert_eq!(drawn.len(), CLASSES.len(), "every class is drawn");
    let share = (0..300).filter(|&s| novel(&world.scene(s, &options(32, Split::HeldOut)))).count();
    assert!(share >= 285, "{share} of 300 held-out scenes show something held out");
}

#[test]
fn every_class_stays_learnable() {
    let combinations: Vec<_> =
        CLASSES.iter().flat_map(|c| c.colours.iter().map(move |k| (c.name, k.name))).collect();
    let out = combinations.iter().filter(|(c, k)| World::is_held_out(c, k)).count();
    let share = out as f32 / combinations.len() as f32;
    assert!((0.08..0.17).contains(&share), "{out} of {} held out", combinations.len());
    for class in CLASSES {
        let colours = class.colours.iter().filter(|c| !World::is_held_out(class.name, c.name));
        assert!(class.colours.is_empty() || colours.count() >= 4, "{}", class.name);
        let places = BACKGROUNDS.iter().filter(|b| !World::is_held_out_on(class.name, b.name));
        assert!(places.count() >= 9, "{}", class.name);
    }
}

#[test]
fn a_named_colour_is_what_is_seen() {
    let world = World::new().unwrap();
    for (index, class) in CLASSES.iter().enumerate().filter(|(_, c)| c.icon.is_some()) {
        let sprite = world.sprites.get(index).unwrap();
        let draw = |colour: &Colour| {
            let pose = Pose {
                centre: [50.0, 50.0],
                height: 80.0,
                angle: 0.0,
                flip: false,
                colour: Some(colour),
            };
            sprite.draw(&pose, [100, 100])
        };
        let (red, blue) = (draw(&ALL_COLOURS[0]), draw(&ALL_COLOURS[4]));
        let painted: Vec<usize> = red
            .own(100)
            .zip(blue.own(100))
            .map(|(at, _)| (at / 100 - red.y0) * red.width + at % 100 - red.x0)
            .filter(|&i| red.pixels[i][0].abs_diff(blue.pixels[i][0]) > 50)
            .collect();
        for colour in class.colours {
            let share = painted.len() as f32 / red.own(100).count() as f32;
            assert!(share > 0.15, "{}: {share} of it is painted", class.name);
            let layer = draw(colour);
            let mean: [f32; 3] = std::array::from_fn(|c| {
                painted.iter().map(|&i| f32::from(layer.pixels[i][c]) / 255.0).sum::<f32>()
                    / painted.len() as f32
            });
            let distance = |k: &Colour| -> f32 {
                k.rgb.iter().zip(mean).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let seen = ALL_COLOURS.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            assert_eq!(seen.unwrap().name, colour.name, "{} {mean:?}", class.name);
        }
    }
}

#[test]
fn odd_options_are_kept_within_bounds() {
    let world = World::new().unwrap();
    for (side_px, objects, people_share) in [
        (0, [1, 4], 0.5),
        (17, [0, 0], 1.0),
        (33, [9, 2], f32::NAN),
        (40, [usize::MAX, usize::MAX], f32::INFINITY),
    ] {
        let options = SceneOptions {
            side_px,
            objects,
            people_share,
            split: Split::HeldOut,
            ..SceneOptions::default()
        };
        for seed in 0..8 {
            let scene = world.scene(seed, &options);
            assert_eq!(scene.width.max(scene.height), side_px.max(16));
            assert_eq!(scene.rgb.len(), scene.depth_m.len() * 3);
            assert!(scene.objects.len() <= objects[1].min(16));
        }
    }
}
