//! Painters of rooms.

use crate::canvas::{Canvas, Shade, hex};
use crate::noise::{floor, hash_unit, value};
use crate::tint::{mix, smooth};

/// Distance of the back wall, metres.
pub(crate) const WALL_M: f32 = 9.0;

fn frac(x: f32) -> f32 {
    x - floor(x) as f32
}

/// Metres to the right of the wall's middle and above its foot.
fn on_wall(c: &Canvas, x: f32, y: f32) -> [f32; 2] {
    let scale = c.camera.scale(WALL_M);
    [(x - c.camera.frame[0] * 0.5) / scale, (c.camera.ground_y(WALL_M) - y) / scale]
}

fn inside(p: [f32; 2], [x0, y0, x1, y1]: [f32; 4]) -> bool {
    (x0..x1).contains(&p[0]) && (y0..y1).contains(&p[1])
}

/// Walls are darker towards the corners of the picture.
fn corner_shade(c: &Canvas, x: f32) -> f32 {
    let u = (x / c.camera.frame[0] - 0.5).abs();
    1.0 - 0.22 * smooth(0.2, 0.55, u)
}

/// A window with sky behind its glass: centre, sill, half width and height in metres.
fn window(p: [f32; 2], middle: f32, sill: f32, half: f32, tall: f32) -> Option<[f32; 3]> {
    let q = [p[0] - middle, p[1] - sill];
    if !inside(q, [-half - 0.12, -0.12, half + 0.12, tall + 0.12]) {
        return None;
    }
    let bar = q[0].abs() < 0.04 || (q[1] - tall * 0.5).abs() < 0.04;
    if bar || !inside(q, [-half, 0.0, half, tall]) {
        return Some(hex(0xfaf6ee));
    }
    let hill = 0.35 + 0.25 * value(p[0] * 0.8, 0.5, 5);
    Some(if q[1] < hill { hex(0x8cc57c) } else { mix(hex(0xd8effb), hex(0x8ccaf2), q[1] / tall) })
}

pub(crate) fn living_room(c: &Canvas, x: f32, y: f32) -> Shade {
    let p = on_wall(c, x, y);
    if p[1] > 0.0 {
        let walls = [hex(0xe8d3b4), hex(0xbcd0c0), hex(0xd9b8b0), hex(0xb9c6db)];
        let wall = walls[(c.taste[0] * 4.0) as usize % 4];
        let side = if c.taste[1] < 0.5 { -1.0 } else { 1.0 };
        if p[1] < 0.22 {
            return ([0.95, 0.94, 0.91].map(|v: f32| v * corner_shade(c, x)), WALL_M);
        }
        if let Some(rgb) = window(p, side * 1.9, 1.1, 0.95, 1.7) {
            return (rgb, WALL_M);
        }
        // A picture on the other side.
        let q = [p[0] + side * 1.7, p[1] - 1.5];
        if inside(q, [-0.75, 0.0, 0.75, 1.1]) {
            if !inside(q, [-0.66, 0.09, 0.66, 1.01]) {
                return (hex(0x8a5a38), WALL_M);
            }
            let band = q[1] + 0.25 * value(q[0] * 2.0, 0.5, c.seed);
            let art = [hex(0x3f6f8f), hex(0xe6a15c), hex(0xf3dfb0), hex(0xc8604a)];
            return (art[(band * 3.0).clamp(0.0, 3.0) as usize], WALL_M);
        }
        let stripe = if frac(p[0] * 1.6) < 0.5 { 1.0 } else { 0.965 };
        return (wall.map(|v| v * stripe * corner_shade(c, x)), WALL_M);
    }
    let g = c.ground(x, y);
    let (dx, dz) = (g[0] - (c.taste[2] - 0.5) * 1.5, (g[1] - 6.3) * 1.25);
    let rug = (dx * dx + dz * dz).sqrt();
    if rug < 2.0 {
        let rugs = [
            [hex(0xb5484f), hex(0xe9c9a0)],
            [hex(0x4a6d94), hex(0xd8dfe6)],
            [hex(0x5f8a6a), hex(0xe8e0c0)],
        ];
        let [dark, light] = rugs[(c.taste[3] * 3.0) as usize % 3];
        let rgb = if (1.65..1.85).contains(&rug) { light } else { dark };
        return (rgb.map(|v| v + 0.05 * (c.grain(g, 0.1, 5) - 0.5)), g[1]);
    }
    // Planks run away from the viewer, each with its own tone and grain.
    let plank = floor(g[0] / 0.42);
    let offset = hash_unit(plank, 0, c.seed) * 3.0;
    let board = floor((g[1] + offset) / 3.0);
    let tone = hash_unit(plank, board, c.seed ^ 3) * 0.5;
    let vein = 0.3 * value(g[0] * 16.0, g[1] * 0.9, c.seed ^ 4);
    let joint = frac(g[0] / 0.42) < 0.05 || frac((g[1] + offset) / 3.0) < 0.02;
    let rgb = mix(hex(0xb27a48), hex(0xd9a76c), tone + vein);
    (rgb.map(|v| v * if joint { 0.82 } else { 1.0 }), g[1])
}

pub(crate) fn kitchen(c: &Canvas, x: f32, y: f32) -> Shade {
    let p = on_wall(c, x, y);
    if p[1] > 0.0 {
        let shade = corner_shade(c, x);
        let fronts = [hex(0x8fb7a8), hex(0xe9e4d8), hex(0x7f9cc0), hex(0xd6a98c)];
        let front = fronts[(c.taste[0] * 4.0) as usize % 4];
        let rgb = if p[1] < 0.12 {
            hex(0x5b5552)
        } else if p[1] < 1.05 {
            // Cupboards with a knob each.
            let u = frac(p[0] / 0.9 + c.taste[1]);
            let knob = (u - 0.82).abs() < 0.045 && (p[1] - 0.85).abs() < 0.04;
            let gap = u < 0.025 || p[1] > 1.02;
            if knob { hex(0xf6d78a) } else { front.map(|v| v * if gap { 0.7 } else { 1.0 }) }
        } else if p[1] < 1.17 {
            hex(0xd8c4a4)
        } else if let Some(rgb) = window(p, (c.taste[2] - 0.5) * 4.0, 1.38, 0.95, 0.9) {
            rgb
        } else if p[1] < 2.5 {
            let (u, v) = (p[0] / 0.3, p[1] / 0.3);
            let joint = frac(u) < 0.08 || frac(v) < 0.08;
            let tone = 0.04 * hash_unit(floor(u), floor(v), c.seed);
            [0.93, 0.95, 0.95].map(|w: f32| if joint { w - 0.10 } else { w - tone })
        } else if (2.5..4.3).contains(&p[1]) {
            // Cupboards on the wall, over the window as well.
            let u = frac(p[0] / 0.9 + c.taste[1]);
            let knob = (u - 0.82).abs() < 0.045 && (p[1] - 2.7).abs() < 0.04;
            let gap = u < 0.025 || !(2.54..4.26).contains(&p[1]);
            if knob {
                hex(0xf6d78a)
            } else {
                front.map(|v| (v + 0.04) * if gap { 0.75 } else { 1.0 })
            }
        } else {
            hex(0xf4ead6)
        };
        return (rgb.map(|v| v * shade), WALL_M);
    }
    let g = c.ground(x, y);
    let (u, v) = (g[0] / 0.8 + c.taste[3], g[1] / 0.8);
    let light = (floor(u) + floor(v)).rem_euclid(2) == 0;
    let tiles = [hex(0x9fb4b8), hex(0xc79a7c), hex(0xa9a9ad)];
    let dark = tiles[(c.taste[4] * 3.0) as usize % 3];
    let rgb = if light { hex(0xf1ece2) } else { dark };
    let joint = frac(u) < 0.03 || frac(v) < 0.03;
    let sheen = 0.05 * smooth(4.0, 9.0, g[1]);
    (rgb.map(|w| (w + sheen) * if joint { 0.88 } else { 1.0 }), g[1])
}
