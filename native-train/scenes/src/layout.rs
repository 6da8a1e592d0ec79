//! What stands where: decided from the seed alone, the same at every picture size.

use rand_chacha::ChaCha8Rng;

use crate::background::{BACKGROUNDS, Background};
use crate::border::{is_held_out, is_held_out_on};
use crate::camera::Camera;
use crate::classes::{CLASSES, Class, Place};
use crate::person::Figure;
use crate::placement::{Placement, picture_size};
use crate::rng::{Draw, Stream, scene_rng};
use crate::scene::{SceneOptions, Split};
use crate::sprite::Sprites;
use crate::tint::Colour;

/// Longest side of the sketch on which visibility is judged, so that the judgement does not
/// depend on the size of the picture.
const SKETCH_PX: u32 = 96;
/// Least visible share of an object's own pixels. Above what is promised, since another picture
/// size moves it a little.
const LEAST_VISIBLE: f32 = 0.45;
/// Least visible area as a share of the sketch.
const LEAST_AREA: f32 = 0.006;
/// Most objects that a scene may ask for.
const MOST_OBJECTS: usize = 16;
/// Places tried for one object before the scene goes without it.
const TRIES: usize = 14;

/// A scene before it is drawn.
pub(crate) struct Layout {
    pub(crate) camera: Camera,
    pub(crate) background: &'static Background,
    pub(crate) taste: [f32; 6],
    pub(crate) texture_seed: u32,
    /// Factor on all light.
    pub(crate) brightness: f32,
    pub(crate) placements: Vec<Placement>,
}

type Choice = (usize, Option<&'static Colour>);

struct Sampler<'a> {
    sprites: &'a Sprites,
    split: Split,
    classes: &'a [String],
    camera: Camera,
    background: &'static Background,
}

impl Layout {
    pub(crate) fn sample(sprites: &Sprites, seed: u64, options: &SceneOptions) -> Self {
        let rng = &mut scene_rng(seed, options.split, Stream::Picture);
        let frames = [[1.0, 1.0], [1.0, 1.0], [1.0, 0.75], [1.0, 0.75], [0.75, 1.0], [1.0, 0.625]];
        let frame = frames[rng.below(frames.len())];
        let background = &BACKGROUNDS[rng.below(BACKGROUNDS.len())];
        let camera = Camera {
            frame,
            horizon: rng.between(0.32, 0.46) * frame[1],
            focal: rng.between(1.10, 1.25),
            height_m: rng.between(2.0, 2.8) * frame[1],
        };
        let taste = std::array::from_fn(|_| rng.unit());
        let texture_seed = rng.below(u32::MAX as usize) as u32;
        let brightness = rng.between(0.92, 1.06);
        let most = options.objects[1].min(MOST_OBJECTS);
        let fewest = options.objects[0].min(most);
        let count = fewest + rng.below(most - fewest + 1);
        let people = if rng.chance(options.people_share) { 1 + rng.below(count.min(3)) } else { 0 };
        let people = people.min(count);

        let classes = &options.classes;
        let sampler = Sampler { sprites, split: options.split, classes, camera, background };
        let choices = sampler.choices();
        let people_choices: Vec<Choice> =
            choices.iter().copied().filter(|&(class, _)| CLASSES[class].is_person()).collect();
        let thing_choices: Vec<Choice> =
            choices.iter().copied().filter(|&(class, _)| !CLASSES[class].is_person()).collect();
        let novel: Vec<Choice> = choices
            .iter()
            .copied()
            .filter(|&(class, colour)| {
                let class = &CLASSES[class];
                colour.is_some_and(|c| is_held_out(class.name, c.name))
                    || is_held_out_on(class, background.name)
            })
            .collect();

        let mut sketch = Sketch::new(&camera, options.least_side);
        let mut placements: Vec<Placement> = Vec::with_capacity(count);
        for slot in 0..count {
            for _ in 0..TRIES {
                let wanted = if slot == 0 && !novel.is_empty() {
                    sampler.pick(rng, &novel)
                } else if slot < people {
                    sampler.pick(rng, &people_choices)
                } else if let Some(twin) = rng.chance(0.3).then(|| rng.pick(&placements)).flatten()
                {
                    // A second one of a class makes counting and telling apart worth asking.
                    let same: Vec<Choice> =
                        choices.iter().copied().filter(|c| c.0 == twin.class).collect();
                    sampler.pick(rng, &same)
                } else {
                    sampler.pick(rng, &thing_choices)
                };
                let Some((class, colour)) = wanted else { continue };
                let Some(placement) = sampler.place(rng, class, colour) else { continue };
                if sketch.accepts(sprites, &camera, &placement) {
                    placements.push(placement);
                    break;
                }
            }
        }
        Self { camera, background, taste, texture_seed, brightness, placements }
    }
}

impl Sampler<'_> {
    /// Every class and colour that this scene may hold.
    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (index, class) in CLASSES.iter().enumerate() {
            let fits = match class.place {
                Place::Ground | Place::Hovering => true,
                Place::Outdoors | Place::Sky => !self.background.indoors,
                Place::Water => self.background.water_m.is_some(),
            };
            let train = self.split == Split::Train;
            let known = self.classes.is_empty() || self.classes.iter().any(|c| c == class.name);
            if !known || !fits || (train && is_held_out_on(class, self.background.name)) {
                continue;
            }
            if class.colours.is_empty() {
                choices.push((index, None));
            }
            for colour in class.colours {
                if !(train && is_held_out(class.name, colour.name)) {
                    choices.push((index, Some(colour)));
                }
            }
        }
        choices
    }

    /// A class, all equally likely, then one of its colours.
    fn pick(&self, rng: &mut ChaCha8Rng, choices: &[Choice]) -> Option<Choice> {
        let mut classes: Vec<usize> = choices.iter().map(|c| c.0).collect();
        classes.dedup();
        let class = *rng.pick(&classes)?;
        let of_class: Vec<Choice> = choices.iter().copied().filter(|c| c.0 == class).collect();
        // Water would otherwise stay empty: few classes live on it.
        if CLASSES[class].place != Place::Water
            && self.background.water_m.is_some()
            && rng.chance(0.15)
        {
            let wet: Vec<Choice> =
                choices.iter().copied().filter(|c| CLASSES[c.0].place == Place::Water).collect();
            if let Some(&choice) = rng.pick(&wet) {
                return Some(choice);
            }
        }
        rng.pick(&of_class).copied()
    }

    fn place(
        &self,
        rng: &mut ChaCha8Rng,
        index: usize,
        colour: Option<&'static Colour>,
    ) -> Option<Placement> {
        let class: &Class = CLASSES.get(index)?;
        let camera = &self.camera;
        let [frame_w, frame_h] = camera.frame;
        let spread = if class.is_person() { [0.9, 1.1] } else { [0.85, 1.18] };
        let height_m = class.height_m * rng.between(spread[0], spread[1]);
        let figure = match colour {
            Some(shirt) if class.is_person() => Some(Figure::sample(rng, shirt)),
            _ => None,
        };
        // Extent over the drawn height: left, bottom, right, top of the foot point.
        let extent = match &figure {
            Some(figure) => figure.bounds(),
            None => {
                let half = self.sprites.get(index)?.aspect() * 0.5;
                [-half, 0.0, half, 1.0]
            }
        };
        let longest = (extent[2] - extent[0]).max(extent[3]);
        // Nearest: not higher than three quarters of the picture. Farthest: still easily seen.
        let metre = camera.focal * height_m;
        let nearest = metre * extent[3] / (0.76 * frame_h);
        let farthest = metre * longest / 0.125;
        let nearest = nearest.max(metre * (extent[2] - extent[0]) / (0.8 * frame_w));
        let (depth_m, base_y) = match class.place {
            Place::Sky => {
                let depth_m = rng.between(nearest.max(metre / 0.4), farthest);
                let height = metre / depth_m;
                let (top, bottom) = (height * 0.9 + 0.02, camera.horizon + height * 0.15);
                if top > bottom {
                    return None;
                }
                (depth_m, rng.between(top, bottom))
            }
            place => {
                let [low, high] = match (place, self.background.water_m) {
                    (Place::Water, Some(water)) => water,
                    _ => [0.0, self.background.ground_m],
                };
                let high = high.min(farthest);
                let low_y = camera.ground_y(high);
                let high_y = (frame_h * 1.02).min(camera.ground_y(low.max(nearest).max(0.1)));
                if low_y >= high_y {
                    return None;
                }
                let ground_y = rng.between(low_y, high_y);
                let depth_m = camera.ground_m(ground_y);
                let hover_m = if place == Place::Hovering { rng.between(0.7, 2.2) } else { 0.0 };
                (depth_m, ground_y - hover_m * camera.scale(depth_m))
            }
        };
        let height = metre / depth_m;
        if base_y - extent[3] * height < -0.08 * height {
            return None;
        }
        let margin = [-extent[0] * 0.75 * height, frame_w - extent[2] * 0.75 * height];
        if margin[0] > margin[1] {
            return None;
        }
        let x = rng.between(margin[0], margin[1]);
        let swing = match class.place {
            Place::Ground | Place::Outdoors | Place::Water => 0.06,
            Place::Sky | Place::Hovering => 0.22,
        };
        Some(Placement {
            class: index,
            colour,
            ground: [x, camera.ground_y(depth_m)],
            base_y,
            depth_m,
            height_m,
            height,
            angle: rng.between(-swing, swing),
            flip: rng.chance(0.5),
            figure,
        })
    }
}

/// The scene so far, small, to judge whether all of it stays visible.
struct Sketch {
    size: [u32; 2],
    /// Depth and own pixels of each object.
    own: Vec<(f32, Vec<usize>)>,
    owner: Vec<u8>,
    least_side: f32,
}

impl Sketch {
    fn new(camera: &Camera, least_side: f32) -> Self {
        let size = picture_size(camera, SKETCH_PX);
        let owner = vec![0; size[0] as usize * size[1] as usize];
        Self { size, own: Vec::new(), owner, least_side: least_side.clamp(0.08, 0.5) }
    }

    /// Adds the object when it and all others stay visible enough.
    fn accepts(&mut self, sprites: &Sprites, camera: &Camera, placement: &Placement) -> bool {
        let width = self.size[0] as usize;
        let layer = placement.layer(sprites, camera, SKETCH_PX);
        self.own.push((placement.depth_m, layer.own(width).collect()));
        let good = self.all_visible(width);
        if !good {
            self.own.pop();
        }
        good
    }

    fn all_visible(&mut self, width: usize) -> bool {
        let mut order: Vec<usize> = (0..self.own.len()).collect();
        order.sort_by(|&a, &b| self.own[b].0.total_cmp(&self.own[a].0));
        for &i in &order {
            for &pixel in &self.own[i].1 {
                self.owner[pixel] = i as u8;
            }
        }
        let least_side = self.least_side * SKETCH_PX as f32;
        let least_area = LEAST_AREA * self.owner.len() as f32;
        self.own.iter().enumerate().all(|(i, (_, own))| {
            let (mut count, mut x, mut y) = (0usize, [usize::MAX, 0], [usize::MAX, 0]);
            for &pixel in own.iter().filter(|&&p| self.owner[p] == i as u8) {
                count += 1;
                let (px, py) = (pixel % width, pixel / width);
                x = [x[0].min(px), x[1].max(px + 1)];
                y = [y[0].min(py), y[1].max(py + 1)];
            }
            count > 0
                && count as f32 >= LEAST_VISIBLE * own.len() as f32
                && count as f32 >= least_area
                && (x[1] - x[0]).max(y[1] - y[0]) as f32 >= least_side
        })
    }
}
