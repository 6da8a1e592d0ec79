//! Painters of landscapes and streets.

use crate::camera::FAR_M;
use crate::canvas::{Canvas, SHORE_M, Shade, hex};
use crate::noise::{floor, hash_unit, value};
use crate::tint::{mix, smooth};

/// A distant line of round tree crowns: depth of the crown's shade 0..1, or none above it.
fn tree_line(c: &Canvas, x: f32, above: f32, height: f32, salt: u32) -> Option<f32> {
    let crowns = c.ridge(x, height * 0.6, 0.09, salt) + c.ridge(x, height * 0.4, 0.03, salt ^ 7);
    let top = height * 0.35 + crowns;
    (above < top).then(|| (above / top).clamp(0.0, 1.0))
}

fn grass(c: &Canvas, x: f32, y: f32, dark: [f32; 3], light: [f32; 3]) -> Shade {
    let g = c.ground(x, y);
    let n = 0.6 * c.grain(g, 1.6, 1) + 0.4 * c.grain(g, 0.25, 2);
    let near = smooth(20.0, 4.0, g[1]);
    (mix(light, dark, (n * 1.3 - 0.35 + 0.25 * near).clamp(0.0, 1.0)), g[1])
}

/// Small dots scattered over the ground: the colour of the dot under a point.
fn dots(
    c: &Canvas,
    g: [f32; 2],
    cell_m: f32,
    share: f32,
    colours: &[[f32; 3]],
) -> Option<[f32; 3]> {
    if g[1] > 40.0 * cell_m {
        return None;
    }
    let (u, v) = (g[0] / cell_m, g[1] / cell_m);
    let (iu, iv) = (floor(u), floor(v));
    let r = |salt: u32| hash_unit(iu, iv, c.seed ^ salt);
    if r(11) > share {
        return None;
    }
    let (du, dv) = (u - iu as f32 - 0.3 - 0.4 * r(12), v - iv as f32 - 0.3 - 0.4 * r(13));
    let index = (r(14) * colours.len() as f32) as usize;
    (du * du + dv * dv < 0.05).then(|| colours.get(index).copied()).flatten()
}

fn sun(c: &Canvas, x: f32, y: f32, height: f32, radius: f32) -> (f32, f32) {
    let sx = (0.15 + 0.7 * c.taste[1]) * c.camera.frame[0];
    let (dx, dy) = (x - sx, y - c.camera.horizon + height);
    let d = (dx * dx + dy * dy).sqrt();
    (smooth(radius * 1.05, radius * 0.95, d), smooth(radius * 6.0, 0.0, d))
}

fn water(c: &Canvas, x: f32, y: f32, near: [f32; 3], far: [f32; 3]) -> Shade {
    let z = c.camera.ground_m(y);
    let t = smooth(SHORE_M, 40.0, z);
    let below = (y - c.camera.horizon).max(1e-3);
    // Ripples are as wide as perspective makes them, but never finer than can be seen.
    let n = value(x * 1.2 / (below + 0.03), 24.0 / (below + 0.06), c.seed ^ 0x3a7e);
    let rgb = mix(near, far, t);
    (mix(rgb, [0.92, 0.97, 1.0], smooth(0.62, 0.95, n) * 0.45), z)
}

pub(crate) fn beach(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        return c.sky(x, y, hex(0x4aa3e8), hex(0xcdeafa), 0.8);
    }
    let g = c.ground(x, y);
    let shore = SHORE_M + 0.9 * (value(g[0] * 0.5, 0.3, c.seed) - 0.5);
    if g[1] > shore {
        let (rgb, z) = water(c, x, y, hex(0x55c8d8), hex(0x2a86c8));
        let foam = smooth(shore + 0.9, shore + 0.1, g[1]);
        return (mix(rgb, [0.97, 0.99, 1.0], foam * 0.9), z);
    }
    let n = 0.5 * c.grain(g, 1.2, 3) + 0.5 * c.grain(g, 0.12, 4);
    let sand = mix(hex(0xe2c48d), hex(0xf6e2b3), (n * 1.6 - 0.3).clamp(0.0, 1.0));
    let wet = smooth(shore - 1.1, shore - 0.2, g[1]);
    let sand = mix(sand, hex(0xc2a470), wet * 0.7);
    (dots(c, g, 0.5, 0.10, &[hex(0xfff4e0), hex(0xd9a58c)]).unwrap_or(sand), g[1])
}

pub(crate) fn meadow(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        if above < 0.02 + c.ridge(x, 0.09, 0.45, 21) {
            return (mix(hex(0x8cc46a), hex(0x6fae5c), above * 9.0), FAR_M);
        }
        if above < 0.05 + c.ridge(x, 0.16, 0.6, 22) {
            return (mix(hex(0x9ccf9a), hex(0x8abf98), above * 6.0), FAR_M);
        }
        return c.sky(x, y, hex(0x58aef0), hex(0xd6eefa), 1.0);
    }
    let (rgb, z) = grass(c, x, y, hex(0x57a63f), hex(0x8fd05a));
    let petals = [hex(0xffffff), hex(0xffe066), hex(0xf59ac0)];
    (dots(c, c.ground(x, y), 0.42, 0.22, &petals).unwrap_or(rgb), z)
}

pub(crate) fn desert(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        for (height, width, salt, sunny, dim) in [
            (0.10, 0.5, 31, hex(0xeec07c), hex(0xd9a35f)),
            (0.19, 0.7, 32, hex(0xf3cf97), hex(0xe5b67a)),
        ] {
            let top = 0.01 + c.ridge(x, height, width, salt);
            if above < top {
                let slope = c.ridge(x + 0.02, height, width, salt) + 0.01 - top;
                return (mix(sunny, dim, (0.5 + slope * 60.0).clamp(0.0, 1.0)), FAR_M);
            }
        }
        let (disk, glow) = sun(c, x, y, 0.24, 0.04);
        let (rgb, z) = c.sky(x, y, hex(0x6cbbe6), hex(0xfbe6c0), 0.25);
        return (mix(mix(rgb, hex(0xfff3c4), glow * 0.5), hex(0xfffbe6), disk), z);
    }
    let g = c.ground(x, y);
    let bend = 1.4 * value(g[0] * 0.35, g[1] * 0.35, c.seed ^ 33);
    let wave = value(g[0] * 0.25, (g[1] + bend) * 2.6, c.seed ^ 34) - 0.5;
    let seen = (1.4 - g[1] * 0.09).clamp(0.0, 1.0);
    let n = 0.5 + wave * seen * 0.9 + (c.grain(g, 2.5, 35) - 0.5) * 0.7;
    (mix(hex(0xdba55e), hex(0xf6d698), n.clamp(0.0, 1.0)), g[1])
}

pub(crate) fn snow(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    // Flakes fall in front of all of it.
    let (u, v) = (x * 26.0, y * 26.0);
    let r = |salt: u32| hash_unit(floor(u), floor(v), c.seed ^ salt);
    let (du, dv) = (u - floor(u) as f32 - 0.3 - 0.4 * r(1), v - floor(v) as f32 - 0.3 - 0.4 * r(2));
    let flake = if r(3) < 0.22 { smooth(0.16, 0.07, (du * du + dv * dv).sqrt()) } else { 0.0 };
    let (rgb, z) = if above <= 0.0 {
        let g = c.ground(x, y);
        let n = 0.7 * c.grain(g, 2.4, 41) + 0.3 * c.grain(g, 0.3, 42);
        (mix(hex(0xd3e2f3), hex(0xfbfdff), (n * 1.7 - 0.35).clamp(0.0, 1.0)), g[1])
    } else if let Some(t) = tree_line(c, x, above, 0.07, 43) {
        (mix(hex(0x6d8ca0), hex(0xe8f1f8), smooth(0.25, 1.0, t)), FAR_M)
    } else if above < 0.08 + c.ridge(x, 0.16, 0.5, 44) {
        (mix(hex(0xdbe8f4), hex(0xc3d6ea), above * 5.0), FAR_M)
    } else {
        c.sky(x, y, hex(0x92b9dd), hex(0xe9f1f8), 0.4)
    };
    (mix(rgb, [1.0; 3], flake * 0.9), z)
}

/// A row of houses on the horizon: the colour under a point, or none above the roofs.
fn houses(
    c: &Canvas,
    x: f32,
    above: f32,
    salt: u32,
    walls: &[[f32; 3]],
    window: impl Fn(f32) -> [f32; 3],
) -> Option<[f32; 3]> {
    let width = 0.13;
    let u = x / width + c.taste[2] * 9.0;
    let i = floor(u);
    let r = |salt2: u32| hash_unit(i, 0, c.seed ^ salt ^ salt2);
    let height = 0.11 + 0.17 * r(1);
    if above > height {
        return None;
    }
    let wall = walls.get((r(2) * walls.len() as f32) as usize).copied().unwrap_or([0.5; 3]);
    let across = u - i as f32;
    if !(0.03..0.97).contains(&across) {
        return Some(wall.map(|w| w * 0.8));
    }
    let (wu, wv) = (across * 4.0 + 0.5, above / 0.042);
    let (fu, fv) = (wu - floor(wu) as f32, wv - floor(wv) as f32);
    let inside = (0.28..0.72).contains(&fu) && (0.25..0.75).contains(&fv);
    let room = wv > 0.9 && above < height - 0.02 && (0.12..0.88).contains(&across);
    if inside && room {
        let lamp = hash_unit(i * 7 + floor(wu), floor(wv), c.seed ^ salt ^ 3);
        return Some(window(lamp));
    }
    Some(mix(wall, wall.map(|w| w * 0.88), smooth(0.5, 1.0, across)))
}

/// A road that runs to the vanishing point.
fn road(c: &Canvas, x: f32, y: f32, tar: [f32; 3], pavement: [f32; 3], paint: [f32; 3]) -> Shade {
    let g = c.ground(x, y);
    let n = c.grain(g, 0.2, 51) - 0.5;
    let shift = |rgb: [f32; 3], by: f32| rgb.map(|v| v + by);
    let away = (g[0] + (c.taste[3] - 0.5) * 2.0).abs();
    let dash = g[1] * 0.45 - floor(g[1] * 0.45) as f32;
    let rgb = if away < 0.09 && dash < 0.55 || (2.9..3.05).contains(&away) {
        paint
    } else if away < 3.3 {
        shift(tar, n * 0.10)
    } else if away < 3.5 {
        pavement.map(|v| v * 0.78)
    } else {
        let tile = g[0] * 1.1;
        let joint = tile - floor(tile) as f32 > 0.95 && g[1] < 14.0;
        shift(pavement, n * 0.06 - if joint { 0.06 } else { 0.0 })
    };
    (rgb, g[1])
}

pub(crate) fn street(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above <= 0.0 {
        return road(c, x, y, hex(0x62666e), hex(0xbdb8b0), hex(0xf2efe4));
    }
    let walls = [hex(0xe0a184), hex(0xe6cf9c), hex(0xa9bfcc), hex(0xcf8f80), hex(0xb7c6a6)];
    let glass = |lamp: f32| mix(hex(0x7fa6c4), hex(0xbfdcee), lamp);
    if let Some(rgb) = houses(c, x, above, 52, &walls, glass) {
        return (rgb, 35.0);
    }
    c.sky(x, y, hex(0x77b5e6), hex(0xdfeef8), 0.8)
}

pub(crate) fn night(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above <= 0.0 {
        let (rgb, z) = road(c, x, y, hex(0x2b2d42), hex(0x3c3d58), hex(0xb9a86a));
        let glow = value(x * 7.0, 0.5, c.seed ^ 61) * smooth(26.0, 5.0, z) * 0.14;
        return (mix(rgb, hex(0xffc46b), glow), z);
    }
    let walls = [hex(0x23264a), hex(0x2b2a52), hex(0x1d2140), hex(0x343058)];
    let lit = |lamp: f32| if lamp > 0.45 { hex(0xffd670) } else { hex(0x171a36) };
    if let Some(rgb) = houses(c, x, above, 62, &walls, lit) {
        return (rgb, 35.0);
    }
    let (rgb, z) = c.sky(x, y, hex(0x0d1033), hex(0x3b3169), 0.0);
    let (u, v) = (x * 40.0, y * 40.0);
    let (iu, iv) = (floor(u), floor(v));
    let (du, dv) = (u - iu as f32 - 0.5, v - iv as f32 - 0.5);
    let star = hash_unit(iu, iv, c.seed ^ 63) > 0.9 && du * du + dv * dv < 0.03;
    let (disk, glow) = sun(c, x, y, 0.36, 0.045);
    let rgb = mix(rgb, hex(0xf6f0cf), disk.max(glow * 0.16));
    (if star { mix(rgb, [1.0; 3], 0.8) } else { rgb }, z)
}

pub(crate) fn forest(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above <= 0.0 {
        let (rgb, z) = grass(c, x, y, hex(0x3c5f2c), hex(0x6f8f45));
        let leaves = [hex(0x8a6b3a), hex(0x55803a), hex(0xa68a4c)];
        return (dots(c, c.ground(x, y), 0.35, 0.25, &leaves).unwrap_or(rgb), z);
    }
    let mist = mix(hex(0xb9d7a8), hex(0x5f8f5c), smooth(0.0, 0.4, above));
    // Two rows of trunks: the far ones are pale and thin.
    let rows = [(0.075, 71, hex(0x5a4632), 0.20, 24.0), (0.042, 72, hex(0x7d8a62), 0.17, 40.0)];
    for (width, salt, bark, thick, depth) in rows {
        let u = x / width + 3.0;
        let i = floor(u);
        let r = |s: u32| hash_unit(i, 0, c.seed ^ salt ^ s << 8);
        let middle = 0.35 + 0.3 * r(1);
        let off = (u - i as f32 - middle) / (thick * (0.5 + 0.6 * r(2)));
        if off.abs() < 1.0 && r(3) < 0.72 {
            let round = 0.75 + 0.35 * (1.0 - off * off) - 0.15 * off;
            return (canopy(c, x, above, bark.map(|v| v * round)), depth);
        }
    }
    (canopy(c, x, above, mist), 45.0)
}

fn canopy(c: &Canvas, x: f32, above: f32, under: [f32; 3]) -> [f32; 3] {
    let n = crate::noise::fractal(x * 9.0, above * 11.0, c.seed ^ 73);
    let leaves = mix(hex(0x2f5d2c), hex(0x6aa045), smooth(0.35, 0.75, n));
    mix(under, leaves, smooth(0.12, 0.26, above + (n - 0.5) * 0.22))
}

pub(crate) fn lake(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        if let Some(t) = tree_line(c, x, above, 0.05, 81) {
            return (mix(hex(0x3f7350), hex(0x64a066), t), FAR_M);
        }
        if above < 0.05 + c.ridge(x, 0.17, 0.4, 82) {
            return (mix(hex(0x9cbccb), hex(0x7fa3bf), above * 6.0), FAR_M);
        }
        return c.sky(x, y, hex(0x6ab2ec), hex(0xdcf0fb), 0.9);
    }
    let g = c.ground(x, y);
    let shore = SHORE_M + 1.0 * (value(g[0] * 0.6, 0.7, c.seed) - 0.5);
    if g[1] > shore {
        let (rgb, z) = water(c, x, y, hex(0x4f9fc4), hex(0x9cc9dc));
        return (mix(rgb, hex(0x7b8f63), smooth(shore + 0.35, shore, g[1]) * 0.8), z);
    }
    let (rgb, z) = grass(c, x, y, hex(0x5e9a45), hex(0x92c65f));
    let mud = smooth(shore - 0.7, shore, g[1]);
    (mix(rgb, hex(0xb7a273), mud * 0.8), z)
}

pub(crate) fn mountains(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        if let Some(t) = tree_line(c, x, above, 0.05, 91) {
            return (mix(hex(0x38684a), hex(0x558a5a), t), 50.0);
        }
        // Peaks are folded noise, so that they are sharp.
        for (height, width, salt, rock) in
            [(0.26, 0.33, 92, hex(0x6f86a0)), (0.38, 0.5, 93, hex(0x9db4cb))]
        {
            let u = x / width + c.taste[4] * 5.0;
            let peak = |u: f32| {
                let tent = 1.0 - 2.0 * (u - floor(u) as f32 - 0.5).abs();
                let tall = 0.55 + 0.45 * hash_unit(floor(u), 1, c.seed ^ salt);
                height * (0.25 + 0.75 * tent * tall)
                    + 0.04 * (value(u * 9.0, 0.5, c.seed ^ salt) - 0.5)
            };
            let top = peak(u).min(c.camera.horizon * 0.88);
            if above < top {
                let across = u - floor(u) as f32 - 0.5;
                let jag = 0.06 * (value(x * 30.0, above * 12.0, c.seed ^ salt) - 0.5);
                let shade = if across + jag * 2.0 > 0.0 { 0.86 } else { 1.06 };
                let snowy = smooth(height * 0.52, height * 0.56, above + jag);
                let rgb = mix(rock, [0.97, 0.98, 1.0], snowy);
                return (rgb.map(|v| v * shade), FAR_M);
            }
        }
        return c.sky(x, y, hex(0x4d9fe6), hex(0xd3ebfa), 0.7);
    }
    grass(c, x, y, hex(0x5b9a4c), hex(0x93c76a))
}

pub(crate) fn playground(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        // A fence of coloured boards before a row of trees.
        let u = x / 0.045;
        let i = floor(u);
        let boards = [hex(0xef6f6c), hex(0xf7c948), hex(0x5cb85c), hex(0x4aa3df)];
        let across = u - i as f32;
        let tip = 0.075 - 0.03 * (across - 0.45).abs();
        let rail = (0.022..0.032).contains(&above) || (0.052..0.062).contains(&above);
        if above < tip && (across < 0.8 || rail) {
            let board = boards[i.rem_euclid(4) as usize];
            return (if across < 0.8 { board } else { board.map(|v| v * 0.75) }, 25.0);
        }
        if let Some(t) = tree_line(c, x, above, 0.16, 101) {
            return (mix(hex(0x4c8a4a), hex(0x86c06a), t), FAR_M);
        }
        return c.sky(x, y, hex(0x69b7f0), hex(0xdff1fb), 0.9);
    }
    // Soft ground with a sandpit.
    let g = c.ground(x, y);
    let (dx, dz) = (g[0] - (c.taste[3] - 0.5) * 3.0, (g[1] - 7.5) * 0.8);
    let pit = (dx * dx + dz * dz).sqrt() + 0.3 * (value(g[0], g[1], c.seed) - 0.5);
    let n = c.grain(g, 0.15, 102) - 0.5;
    let rgb = if pit < 2.2 {
        mix(hex(0xefd9a0), hex(0xd9bd7c), n + 0.5)
    } else if pit < 2.4 {
        hex(0x9a6b45)
    } else {
        let patch = value(g[0] * 0.4, g[1] * 0.4, c.seed ^ 103);
        let rubber = mix(hex(0xd98a6a), hex(0xe0a07e), smooth(0.45, 0.55, patch));
        rubber.map(|v| v + n * 0.07)
    };
    (rgb, g[1])
}

pub(crate) fn autumn(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        for (height, salt, dark, light) in
            [(0.11, 111, hex(0xb5542a), hex(0xe9953c)), (0.19, 112, hex(0xc8893c), hex(0xf0c45c))]
        {
            if let Some(t) = tree_line(c, x, above, height, salt) {
                return (mix(dark, light, t), FAR_M);
            }
        }
        return c.sky(x, y, hex(0x9cc4dc), hex(0xf7e7cc), 0.7);
    }
    let (rgb, z) = grass(c, x, y, hex(0xa97f3b), hex(0xd6b45c));
    let leaves = [hex(0xd2562a), hex(0xe88d2d), hex(0x9c3f26), hex(0xf0c14b)];
    (dots(c, c.ground(x, y), 0.36, 0.4, &leaves).unwrap_or(rgb), z)
}

pub(crate) fn sunset(c: &Canvas, x: f32, y: f32) -> Shade {
    let above = c.above(y);
    if above > 0.0 {
        if above < 0.01 + c.ridge(x, 0.10, 0.4, 121) {
            return (mix(hex(0x6a3a5c), hex(0x54305a), above * 8.0), FAR_M);
        }
        let t = (above / c.camera.horizon).clamp(0.0, 1.0);
        let low = mix(hex(0xffc45c), hex(0xf4735a), smooth(0.0, 0.4, t));
        let rgb = mix(low, hex(0x5b3f8c), smooth(0.3, 1.0, t));
        let n = crate::noise::fractal(x * 2.0, y * 14.0, c.seed ^ 122);
        let rgb = mix(rgb, hex(0xffa07a), smooth(0.55, 0.75, n) * 0.5);
        let (disk, glow) = sun(c, x, y, 0.12, 0.075);
        return (mix(mix(rgb, hex(0xffd98a), glow * 0.6), hex(0xfff0b8), disk), FAR_M);
    }
    let (rgb, z) = grass(c, x, y, hex(0x59493f), hex(0x94724f));
    (mix(rgb, hex(0xe08a5a), smooth(6.0, 40.0, z) * 0.5), z)
}
