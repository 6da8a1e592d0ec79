//! Drawing a posed person as shaded solids, far parts first.

use crate::layer::Layer;
use crate::person::{Figure, Hair, SIDE, joint};
use crate::tint::mix;

/// A solid in the body frame.
enum Shape {
    /// Thick line with a radius at each end.
    Capsule { from: [f32; 2], to: [f32; 2], radii: [f32; 2] },
    /// Turned ellipse; `cut` removes what lies below this height of its own frame.
    Ellipse { centre: [f32; 2], radii: [f32; 2], tilt: [f32; 2], cut: Option<f32> },
    /// Convex quadrilateral, clockwise in the body frame, with rounded corners.
    Quad { corners: [[f32; 2]; 4], round: f32 },
}

/// A solid with its colour.
struct Part {
    shape: Shape,
    rgb: [f32; 3],
    /// Joints that belong to it: it does not hide them.
    joints: u32,
    /// 1 for solids, less for what is painted on, such as cheeks.
    opacity: f32,
    /// Whether light shapes it.
    solid: bool,
}

/// Direction to the light: upper left, from the viewer's side.
const LIGHT: [f32; 3] = [-0.42, 0.60, 0.68];

impl Shape {
    /// Signed distance to the contour, negative inside, and the normal's x and y.
    fn probe(&self, p: [f32; 2]) -> (f32, [f32; 2]) {
        match self {
            Self::Capsule { from, to, radii } => {
                let (ab, ap) = (sub(*to, *from), sub(p, *from));
                let t = (dot(ap, ab) / dot(ab, ab).max(1e-9)).clamp(0.0, 1.0);
                let radius = radii[0] + (radii[1] - radii[0]) * t;
                let off = [ap[0] - ab[0] * t, ap[1] - ab[1] * t];
                (dot(off, off).sqrt() - radius, [off[0] / radius, off[1] / radius])
            }
            Self::Ellipse { centre, radii, tilt: [sin, cos], cut } => {
                let d = sub(p, *centre);
                let local = [cos * d[0] - sin * d[1], cos * d[1] + sin * d[0]];
                let n = [local[0] / radii[0], local[1] / radii[1]];
                let distance = (dot(n, n).sqrt() - 1.0) * radii[0].min(radii[1]);
                (cut.map_or(distance, |cut| distance.max(cut - local[1])), n)
            }
            Self::Quad { corners, round } => {
                let mut outside = f32::MAX;
                let mut deepest = f32::MIN;
                for i in 0..4 {
                    let (a, b) = (corners[i], corners[(i + 1) % 4]);
                    let (edge, ap) = (sub(b, a), sub(p, a));
                    let length = dot(edge, edge).sqrt().max(1e-6);
                    deepest = deepest.max((edge[0] * ap[1] - edge[1] * ap[0]) / length);
                    let t = (dot(ap, edge) / (length * length)).clamp(0.0, 1.0);
                    let off = [ap[0] - edge[0] * t, ap[1] - edge[1] * t];
                    outside = outside.min(dot(off, off));
                }
                let distance = if deepest > 0.0 { outside.sqrt() } else { deepest };
                let middle = [
                    corners.iter().map(|c| c[0]).sum::<f32>() * 0.25,
                    corners.iter().map(|c| c[1]).sum::<f32>() * 0.25,
                ];
                let half = (corners[1][0] - corners[0][0]).abs() * 0.5 + round;
                let tall = (corners[0][1] - corners[3][1]).abs() * 0.5 + round;
                let n = [(p[0] - middle[0]) / half, 0.5 * (p[1] - middle[1]) / tall];
                (distance - round, n)
            }
        }
    }

    /// `[left, bottom, right, top]`.
    fn bounds(&self) -> [f32; 4] {
        let around = |points: &[[f32; 2]], reach: f32| {
            points.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, p| {
                [
                    b[0].min(p[0] - reach),
                    b[1].min(p[1] - reach),
                    b[2].max(p[0] + reach),
                    b[3].max(p[1] + reach),
                ]
            })
        };
        match self {
            Self::Capsule { from, to, radii } => around(&[*from, *to], radii[0].max(radii[1])),
            Self::Ellipse { centre, radii, .. } => around(&[*centre], radii[0].max(radii[1])),
            Self::Quad { corners, round } => around(corners, *round),
        }
    }
}

fn sub(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: [f32; 2], b: [f32; 2]) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

fn lit(rgb: [f32; 3], n: [f32; 2]) -> [f32; 3] {
    let nz = (1.0 - dot(n, n)).max(0.0).sqrt();
    let lambert = (n[0] * LIGHT[0] + n[1] * LIGHT[1] + nz * LIGHT[2]).max(0.0);
    let shade = 0.66 + 0.40 * lambert;
    let gleam = (lambert - 0.86).max(0.0) * 0.9;
    mix(rgb.map(|c| c * shade), [1.0; 3], gleam)
}

fn bits(joints: &[usize]) -> u32 {
    joints.iter().fold(0, |b, &j| b | 1 << j)
}

/// Collects parts in drawing order.
struct Parts(Vec<Part>);

impl Parts {
    fn solid(&mut self, shape: Shape, rgb: [f32; 3], joints: &[usize]) {
        self.0.push(Part { shape, rgb, joints: bits(joints), opacity: 1.0, solid: true });
    }

    fn painted(&mut self, shape: Shape, rgb: [f32; 3], opacity: f32) {
        // What is painted on the face never hides the joints under it.
        self.0.push(Part { shape, rgb, joints: u32::MAX, opacity, solid: false });
    }

    fn limb(
        &mut self,
        from: [f32; 2],
        to: [f32; 2],
        radii: [f32; 2],
        rgb: [f32; 3],
        joints: &[usize],
    ) {
        self.solid(Shape::Capsule { from, to, radii }, rgb, joints);
    }
}

fn arm(parts: &mut Parts, figure: &Figure, i: usize) {
    let [s, e, w] = [joint::SHOULDER[i], joint::ELBOW[i], joint::WRIST[i]];
    let at = |j: usize| figure.joints[j];
    let look = &figure.look;
    let along =
        |a: [f32; 2], b: [f32; 2], t: f32| [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
    let hand = along(at(e), at(w), 1.16);
    if look.long_sleeves {
        parts.limb(at(e), hand, [0.026, 0.031], look.skin, &[e, w]);
        parts.limb(at(e), along(at(e), at(w), 0.86), [0.036, 0.031], look.shirt, &[s, e, w]);
        parts.limb(at(s), at(e), [0.044, 0.036], look.shirt, &[s, e, w]);
    } else {
        parts.limb(at(s), at(e), [0.038, 0.031], look.skin, &[s, e, w]);
        parts.limb(at(e), hand, [0.031, 0.029], look.skin, &[s, e, w]);
        parts.limb(at(s), along(at(s), at(e), 0.62), [0.046, 0.044], look.shirt, &[s, e]);
    }
}

fn leg(parts: &mut Parts, figure: &Figure, i: usize) {
    let [h, k, a] = [joint::HIP[i], joint::KNEE[i], joint::ANKLE[i]];
    let at = |j: usize| figure.joints[j];
    let look = &figure.look;
    let side = SIDE[i];
    let foot = at(a);
    parts.solid(
        Shape::Capsule {
            from: [foot[0] - side * 0.004, foot[1] - 0.008],
            to: [foot[0] + side * 0.022, foot[1] - 0.012],
            radii: [0.027, 0.025],
        },
        look.shoes,
        &[k, a],
    );
    let shin = if look.shorts { look.skin } else { look.trousers };
    let radii = if look.shorts { [0.037, 0.026] } else { [0.043, 0.035] };
    parts.limb(at(k), [foot[0], foot[1] + 0.018], radii, shin, &[h, k, a]);
    parts.limb(at(h), at(k), [0.058, 0.045], look.trousers, &[h, k, a]);
}

fn torso(parts: &mut Parts, figure: &Figure) {
    let at = |j: usize| figure.joints[j];
    let [sl, sr] = joint::SHOULDER.map(at);
    let [hl, hr] = joint::HIP.map(at);
    let own = [5, 6, 11, 12];
    let seat = Shape::Capsule { from: hr, to: hl, radii: [0.056, 0.056] };
    parts.solid(seat, figure.look.trousers, &own);
    // Right shoulder, left shoulder, left hip, right hip: clockwise as seen in the body frame.
    let corners = [
        [sr[0] + 0.022, sr[1] - 0.010],
        [sl[0] - 0.022, sl[1] - 0.010],
        [hl[0] + 0.004, hl[1] + 0.030],
        [hr[0] - 0.004, hr[1] + 0.030],
    ];
    parts.solid(Shape::Quad { corners, round: 0.045 }, figure.look.shirt, &own);
}

fn head(parts: &mut Parts, figure: &Figure) {
    let look = &figure.look;
    let tilt = [libm::sinf(figure.tilt), libm::cosf(figure.tilt)];
    let [sin, cos] = tilt;
    let centre = figure.head;
    let on_head = |x: f32, y: f32| [centre[0] + cos * x + sin * y, centre[1] + cos * y - sin * x];
    let ellipse = |centre, radii, cut| Shape::Ellipse { centre, radii, tilt, cut };
    let dark = look.skin.map(|c| c * 0.80);
    let face = [joint::NOSE, joint::EYE[0], joint::EYE[1]];
    for ear in joint::EAR {
        parts.solid(ellipse(figure.joints[ear], [0.021, 0.027], None), dark, &[ear]);
    }
    parts.solid(ellipse(centre, [0.097, 0.108], None), look.skin, &face);
    let hair = |parts: &mut Parts, x: f32, y: f32, radii, cut| {
        parts.solid(ellipse(on_head(x, y), radii, cut), look.hair, &face);
    };
    match look.style {
        Hair::Short => hair(parts, 0.0, 0.012, [0.105, 0.112], Some(0.038)),
        Hair::Long => hair(parts, 0.0, 0.010, [0.107, 0.116], Some(0.034)),
        Hair::Bun => {
            hair(parts, 0.0, 0.142, [0.043, 0.040], None);
            hair(parts, 0.0, 0.010, [0.104, 0.112], Some(0.040));
        }
        Hair::Curly => {
            for (x, y) in
                [(-0.085, 0.055), (-0.05, 0.095), (0.0, 0.108), (0.05, 0.095), (0.085, 0.055)]
            {
                hair(parts, x, y, [0.047, 0.045], None);
            }
        }
    }
    let brow = look.hair.map(|c| c * 0.8);
    let nose = figure.joints[joint::NOSE];
    let shift = cos * (nose[0] - centre[0]) - sin * (nose[1] - centre[1]);
    for eye in joint::EYE {
        let [x, y] = figure.joints[eye];
        parts.painted(ellipse([x, y], [0.015, 0.019], None), [0.14, 0.10, 0.10], 1.0);
        parts.painted(ellipse([x - 0.005, y + 0.007], [0.005, 0.005], None), [1.0; 3], 1.0);
        let (from, to) = ([x - 0.016, y + 0.031], [x + 0.016, y + 0.031]);
        parts.painted(Shape::Capsule { from, to, radii: [0.005, 0.005] }, brow, 1.0);
    }
    let blush = mix(look.skin, [0.95, 0.35, 0.35], 0.5);
    for side in SIDE {
        let cheek = on_head(side * 0.058 + shift * 0.5, -0.034);
        parts.painted(ellipse(cheek, [0.019, 0.013], None), blush, 0.55);
    }
    parts.painted(ellipse(nose, [0.013, 0.012], None), look.skin.map(|c| c * 0.82), 1.0);
    let mouth = [0.62, 0.20, 0.20];
    let smile = |x: f32, y: f32| on_head(shift * 0.8 + x, y);
    for side in SIDE {
        let (from, to) = (smile(side * 0.030, -0.050), smile(0.0, -0.063));
        parts.painted(Shape::Capsule { from, to, radii: [0.006, 0.007] }, mouth, 1.0);
    }
}

fn parts(figure: &Figure) -> Vec<Part> {
    let mut parts = Parts(Vec::with_capacity(48));
    let look = &figure.look;
    let neck = mid(figure.joints[5], figure.joints[6]);
    if look.style == Hair::Long {
        let [x, y] = figure.head;
        let shape = Shape::Quad {
            corners: [
                [x - 0.070, y + 0.04],
                [x + 0.070, y + 0.04],
                [x + 0.085, y - 0.13],
                [x - 0.085, y - 0.13],
            ],
            round: 0.035,
        };
        parts.solid(shape, look.hair.map(|c| c * 0.85), &[]);
    }
    for i in 0..2 {
        if figure.arm_behind[i] {
            arm(&mut parts, figure, i);
        }
    }
    if !figure.seated {
        leg(&mut parts, figure, 0);
        leg(&mut parts, figure, 1);
    }
    let throat = [neck[0], neck[1] - 0.01];
    let chin = [figure.head[0], figure.head[1] - 0.06];
    parts.limb(throat, chin, [0.040, 0.036], look.skin.map(|c| c * 0.86), &[]);
    torso(&mut parts, figure);
    if figure.seated {
        leg(&mut parts, figure, 0);
        leg(&mut parts, figure, 1);
    }
    head(&mut parts, figure);
    for i in 0..2 {
        if !figure.arm_behind[i] {
            arm(&mut parts, figure, i);
        }
    }
    parts.0
}

fn mid(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    [(a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5]
}

impl Figure {
    /// Joints that the own body hides.
    pub(crate) fn self_hidden(&self) -> [bool; 17] {
        let parts = parts(self);
        std::array::from_fn(|j| {
            let owner =
                parts.iter().rposition(|p| p.joints & (1 << j) != 0 && p.joints != u32::MAX);
            parts
                .iter()
                .skip(owner.map_or(0, |o| o + 1))
                .any(|part| part.joints & (1 << j) == 0 && part.shape.probe(self.joints[j]).0 < 0.0)
        })
    }

    /// Draws with the origin of the body frame at `ground` px and the standing height of
    /// `height` px, clipped to a picture of `size` px.
    pub(crate) fn draw(&self, ground: [f32; 2], height: f32, size: [u32; 2]) -> Layer {
        let to_px = |b: [f32; 4]| {
            [
                ground[0] + b[0] * height - 1.0,
                ground[1] - b[3] * height - 1.0,
                ground[0] + b[2] * height + 1.0,
                ground[1] - b[1] * height + 1.0,
            ]
        };
        let mut layer = Layer::clipped(to_px(self.bounds()), size);
        let mut canvas = vec![[0.0f32; 4]; layer.pixels.len()];
        for part in parts(self) {
            let bounds = Layer::clipped(to_px(part.shape.bounds()), size);
            for (i, _) in bounds.pixels.iter().enumerate() {
                let (x, y) = (bounds.x0 + i % bounds.width, bounds.y0 + i / bounds.width);
                let (Some(cx), Some(cy)) = (x.checked_sub(layer.x0), y.checked_sub(layer.y0))
                else {
                    continue;
                };
                let Some(under) =
                    canvas.get_mut(cy * layer.width + cx).filter(|_| cx < layer.width)
                else {
                    continue;
                };
                let p =
                    [(x as f32 + 0.5 - ground[0]) / height, (ground[1] - y as f32 - 0.5) / height];
                let (distance, n) = part.shape.probe(p);
                let coverage = (0.5 - distance * height).clamp(0.0, 1.0) * part.opacity;
                if coverage <= 0.0 {
                    continue;
                }
                let rgb = if part.solid { lit(part.rgb, n) } else { part.rgb };
                for (u, c) in under.iter_mut().zip([rgb[0], rgb[1], rgb[2], 1.0]) {
                    *u = *u * (1.0 - coverage) + c * coverage;
                }
            }
        }
        let mut shades = canvas.into_iter();
        layer.fill(|_, _| shades.next().unwrap_or([0.0; 4]));
        layer
    }
}
