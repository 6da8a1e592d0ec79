//! From a layout to the picture and its labels.

use refvlm_record::Mask;

use crate::canvas::Canvas;
use crate::classes::{CLASSES, Place};
use crate::layer::Layer;
use crate::layout::Layout;
use crate::placement::{Placement, picture_size};
use crate::scene::{Object, Scene};
use crate::sprite::Sprites;
use crate::tint::mix;

/// Marks pixels that no object owns.
const BACKGROUND: u8 = u8::MAX;

/// A scene together with the stack that it was made of, far to near.
pub(crate) struct Rendered {
    pub(crate) scene: Scene,
    /// Layer and depth of each object, in painter's order.
    #[cfg(test)]
    pub(crate) stack: Vec<(Layer, f32)>,
    /// For each of the scene's objects its place in the stack.
    #[cfg(test)]
    pub(crate) origin: Vec<usize>,
}

pub(crate) fn render(sprites: &Sprites, seed: u64, layout: &Layout, side_px: u32) -> Rendered {
    let camera = &layout.camera;
    let size = picture_size(camera, side_px);
    let (width, rows) = (size[0] as usize, size[1] as usize);
    let (mut rgb, mut depth_m) = paint_background(layout, side_px, width, rows);
    for placement in &layout.placements {
        drop_shadow(sprites, layout, placement, side_px, size, &mut rgb);
    }

    let mut order: Vec<&Placement> = layout.placements.iter().collect();
    order.sort_by(|a, b| b.depth_m.total_cmp(&a.depth_m));
    let layers: Vec<Layer> = order.iter().map(|p| p.layer(sprites, camera, side_px)).collect();
    let mut owner = vec![BACKGROUND; width * rows];
    for (i, (placement, layer)) in order.iter().zip(&layers).enumerate() {
        let fog = ((placement.depth_m - 6.0) * 0.014).clamp(0.0, 0.2);
        let (light, haze) = (layout.background.light, layout.background.haze);
        for (at, [r, g, b, a]) in layer.covered(width) {
            let alpha = f32::from(a) / 255.0;
            // Everything is premultiplied: the haze is weighted by alpha as well.
            for (c, value) in [r, g, b].into_iter().enumerate() {
                let own = f32::from(value) / 255.0 * light[c];
                let own = own + (haze[c] * alpha - own) * fog;
                rgb[at][c] = rgb[at][c] * (1.0 - alpha) + own;
            }
        }
        for at in layer.own(width) {
            owner[at] = i as u8;
            depth_m[at] = placement.depth_m;
        }
    }

    let mut objects: Vec<(usize, Object)> = (0..order.len())
        .filter_map(|i| Some((i, label(i, order[i], &layers[i], &owner, size, side_px)?)))
        .collect();
    objects.sort_by(|(_, a), (_, b)| {
        let centre = |o: &Object| o.bbox[0] + o.bbox[2] * 0.5;
        centre(a).total_cmp(&centre(b))
    });
    let scene = Scene {
        seed,
        width: size[0],
        height: size[1],
        rgb: rgb
            .iter()
            .flat_map(|p| p.map(|v| (v * layout.brightness * 255.0 + 0.5) as u8))
            .collect(),
        depth_m,
        background: layout.background.name,
        classes: Vec::new(),
        objects: objects.iter().map(|(_, object)| object.clone()).collect(),
    };
    Rendered {
        scene,
        #[cfg(test)]
        stack: layers.into_iter().zip(order.iter().map(|p| p.depth_m)).collect(),
        #[cfg(test)]
        origin: objects.iter().map(|(i, _)| *i).collect(),
    }
}

/// Neighbours whose colours differ more than this have an edge between them.
const EDGE: f32 = 0.06;

fn paint_background(
    layout: &Layout,
    side_px: u32,
    width: usize,
    rows: usize,
) -> (Vec<[f32; 3]>, Vec<f32>) {
    let canvas = Canvas { camera: layout.camera, seed: layout.texture_seed, taste: layout.taste };
    let at = |x: usize, y: usize, dx: f32, dy: f32| {
        let unit = |i: usize, d: f32| (i as f32 + d) / side_px as f32;
        (layout.background.paint)(&canvas, unit(x, dx), unit(y, dy))
    };
    let mut rgb = Vec::with_capacity(width * rows);
    let mut depth_m = Vec::with_capacity(width * rows);
    for y in 0..rows {
        for x in 0..width {
            let (colour, depth) = at(x, y, 0.5, 0.5);
            rgb.push(colour);
            depth_m.push(depth);
        }
    }
    // Smoothing only where there is an edge costs a fraction of smoothing everywhere.
    let differ = |a: usize, b: usize| (0..3).any(|c| (rgb[a][c] - rgb[b][c]).abs() > EDGE);
    let edges: Vec<usize> = (0..width * rows)
        .filter(|&i| {
            let x = i % width;
            (x > 0 && differ(i, i - 1))
                || (x + 1 < width && differ(i, i + 1))
                || (i >= width && differ(i, i - width))
                || (i + width < width * rows && differ(i, i + width))
        })
        .collect();
    for i in edges {
        let corners = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];
        let samples = corners.map(|(dx, dy)| at(i % width, i / width, dx, dy).0);
        rgb[i] = std::array::from_fn(|c| samples.iter().map(|s| s[c]).sum::<f32>() * 0.25);
    }
    (rgb, depth_m)
}

/// A soft ellipse on the ground under an object. Not part of any mask.
fn drop_shadow(
    sprites: &Sprites,
    layout: &Layout,
    placement: &Placement,
    side_px: u32,
    size: [u32; 2],
    rgb: &mut [[f32; 3]],
) {
    let camera = &layout.camera;
    let [x, y] = placement.ground;
    // Left and right of the foot point, in frame units.
    let reach = match (&placement.figure, sprites.get(placement.class)) {
        (Some(figure), _) => {
            let ankles = [figure.joints[15][0], figure.joints[16][0]];
            let knees = [figure.joints[13][0], figure.joints[14][0]];
            let reach = |v: [f32; 2]| v[0].abs().max(v[1].abs());
            let half = reach(ankles).max(if figure.seated { reach(knees) } else { 0.0 }) + 0.07;
            [-half * placement.height, half * placement.height]
        }
        (None, Some(sprite)) => {
            let side = |share: f32| {
                let share = if placement.flip { 1.0 - share } else { share };
                (share - 0.5) * sprite.aspect() * placement.height
            };
            let (a, b) = (side(sprite.foot[0]), side(sprite.foot[1]));
            [a.min(b), a.max(b)]
        }
        (None, None) => return,
    };
    let lift =
        y - placement.base_y + placement.figure.as_ref().map_or(0.0, |f| f.lift * placement.height);
    let lifted = (lift / placement.height).clamp(0.0, 2.0);
    if y > camera.frame[1] * 1.3 || CLASSES[placement.class].place == Place::Sky {
        return;
    }
    let side = side_px as f32;
    let half = (reach[1] - reach[0]) * 0.5;
    let centre = [(x + (reach[0] + reach[1]) * 0.5 + half * 0.08) * side, y * side];
    let flat = (camera.height_m / placement.depth_m).clamp(0.18, 0.42);
    let strength = 0.5 / (1.0 + 1.2 * lifted);
    for (grow, weight) in [(1.35, 0.55), (1.02, 0.75)] {
        let radius = [half * grow * side, half.min(placement.height * 0.3) * grow * flat * side];
        let radius = radius.map(|r| r.max(0.8));
        let bounds = [
            centre[0] - radius[0],
            centre[1] - radius[1],
            centre[0] + radius[0],
            centre[1] + radius[1],
        ];
        let mut shadow = Layer::clipped(bounds, size);
        shadow.fill(|px, py| {
            let (dx, dy) = ((px - centre[0]) / radius[0], (py - centre[1]) / radius[1]);
            let inside = (1.0 - dx * dx - dy * dy).max(0.0);
            [0.0, 0.0, 0.0, inside * (2.0 - inside) * strength * weight]
        });
        for (at, [.., a]) in shadow.covered(size[0] as usize) {
            rgb[at] = mix(rgb[at], rgb[at].map(|v| v * 0.12), f32::from(a) / 255.0);
        }
    }
}

fn label(
    index: usize,
    placement: &Placement,
    layer: &Layer,
    owner: &[u8],
    size: [u32; 2],
    side_px: u32,
) -> Option<Object> {
    let class = CLASSES.get(placement.class)?;
    let width = size[0] as usize;
    let mut mask = Mask::zeros(size[0], size[1]);
    let (mut own, mut seen) = (0u32, 0u32);
    for at in layer.own(width) {
        own += 1;
        if owner[at] == index as u8 {
            seen += 1;
            mask.pixels[at] = 1;
        }
    }
    // Only pictures far smaller than the sketch can lose an object.
    let bbox = mask.bounds()?.map(|v| v as f32);
    let keypoints = placement.figure.as_ref().map(|figure| {
        let hidden = figure.self_hidden();
        std::array::from_fn(|j| {
            let [jx, jy] = figure.joints[j];
            let x = (placement.ground[0] + jx * placement.height) * side_px as f32;
            let y = (placement.ground[1] - jy * placement.height) * side_px as f32;
            if x < 0.0 || y < 0.0 || x >= size[0] as f32 || y >= size[1] as f32 {
                return [0.0; 3];
            }
            let above = owner[y as usize * width + x as usize];
            // The stack is far to near: a higher index is nearer.
            let covered = above != BACKGROUND && above > index as u8;
            [x, y, if covered || hidden[j] { 1.0 } else { 2.0 }]
        })
    });
    Some(Object {
        class: class.name,
        plural: class.plural,
        family: class.family,
        colour: placement.colour.map(|c| c.name),
        bbox,
        mask,
        visible: seen as f32 / own.max(1) as f32,
        depth_m: placement.depth_m,
        height_m: placement.height_m,
        keypoints,
    })
}
