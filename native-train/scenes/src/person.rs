//! People: poses as 17 COCO joints, and clothes.
//!
//! Body frame: unit is the standing height, origin on the ground between the feet, x to the
//! picture's right, y up. People face the viewer, so their left is the picture's right.

use rand_chacha::ChaCha8Rng;

use crate::rng::Draw;
use crate::tint::Colour;

/// Indices of the COCO joints.
pub(crate) mod joint {
    pub(crate) const NOSE: usize = 0;
    pub(crate) const EYE: [usize; 2] = [1, 2];
    pub(crate) const EAR: [usize; 2] = [3, 4];
    pub(crate) const SHOULDER: [usize; 2] = [5, 6];
    pub(crate) const ELBOW: [usize; 2] = [7, 8];
    pub(crate) const WRIST: [usize; 2] = [9, 10];
    pub(crate) const HIP: [usize; 2] = [11, 12];
    pub(crate) const KNEE: [usize; 2] = [13, 14];
    pub(crate) const ANKLE: [usize; 2] = [15, 16];
}

/// Which way a side lies on the picture: left joints come first and lie to the right.
pub(crate) const SIDE: [f32; 2] = [1.0, -1.0];

/// How hair is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hair {
    Short,
    Long,
    Bun,
    Curly,
}

/// What a person looks like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    pub(crate) skin: [f32; 3],
    pub(crate) hair: [f32; 3],
    pub(crate) style: Hair,
    pub(crate) shirt: [f32; 3],
    pub(crate) trousers: [f32; 3],
    pub(crate) shoes: [f32; 3],
    pub(crate) long_sleeves: bool,
    pub(crate) shorts: bool,
}

/// A posed person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) joints: [[f32; 2]; 17],
    /// Centre and turn of the head.
    pub(crate) head: [f32; 2],
    pub(crate) tilt: f32,
    /// Arms drawn before the torso.
    pub(crate) arm_behind: [bool; 2],
    pub(crate) look: Look,
    /// Height of the soles above the ground.
    pub(crate) lift: f32,
    /// Legs come towards the viewer and are drawn over the torso.
    pub(crate) seated: bool,
}

const SKINS: [[f32; 3]; 6] = [
    [0.98, 0.82, 0.70],
    [0.94, 0.74, 0.58],
    [0.86, 0.64, 0.46],
    [0.72, 0.50, 0.34],
    [0.54, 0.36, 0.25],
    [0.42, 0.28, 0.20],
];
const HAIRS: [[f32; 3]; 6] = [
    [0.15, 0.11, 0.10],
    [0.30, 0.19, 0.12],
    [0.48, 0.30, 0.16],
    [0.86, 0.66, 0.32],
    [0.66, 0.30, 0.14],
    [0.62, 0.61, 0.62],
];
const TROUSERS: [[f32; 3]; 6] = [
    [0.20, 0.29, 0.48],
    [0.30, 0.42, 0.66],
    [0.24, 0.24, 0.27],
    [0.50, 0.42, 0.32],
    [0.36, 0.30, 0.42],
    [0.74, 0.68, 0.58],
];
const SHOES: [[f32; 3]; 4] =
    [[0.18, 0.18, 0.20], [0.92, 0.92, 0.94], [0.45, 0.27, 0.16], [0.80, 0.20, 0.22]];

impl Look {
    pub(crate) fn sample(rng: &mut ChaCha8Rng, shirt: &Colour) -> Self {
        let pick = |rng: &mut ChaCha8Rng, from: &[[f32; 3]]| *rng.pick(from).unwrap_or(&[0.5; 3]);
        let skin = rng.below(SKINS.len());
        // Fair hair on dark skin would hide the face's contour at small sizes.
        let hairs = if skin >= 3 { &HAIRS[..3] } else { &HAIRS[..] };
        Self {
            skin: SKINS[skin],
            hair: pick(rng, hairs),
            style: *rng
                .pick(&[Hair::Short, Hair::Short, Hair::Long, Hair::Bun, Hair::Curly])
                .unwrap_or(&Hair::Short),
            shirt: shirt.rgb,
            trousers: pick(rng, &TROUSERS),
            shoes: pick(rng, &SHOES),
            long_sleeves: rng.chance(0.4),
            shorts: rng.chance(0.25),
        }
    }
}

/// A limb's two angles from straight down, positive away from the body, and how much of its
/// length is seen.
#[derive(Clone, Copy)]
struct Limb {
    upper: f32,
    lower: f32,
    upper_seen: f32,
    lower_seen: f32,
}

impl Limb {
    fn new(upper: f32, lower: f32) -> Self {
        Self { upper, lower, upper_seen: 1.0, lower_seen: 1.0 }
    }
}

struct Stance {
    arms: [Limb; 2],
    legs: [Limb; 2],
    arm_behind: [bool; 2],
    lift: f32,
    seated: bool,
}

const DEGREE: f32 = std::f32::consts::PI / 180.0;

fn hanging(rng: &mut ChaCha8Rng) -> Limb {
    let upper = rng.between(8.0, 24.0);
    Limb::new(upper, upper + rng.between(-18.0, 6.0))
}

fn raised(rng: &mut ChaCha8Rng) -> Limb {
    let upper = rng.between(112.0, 152.0);
    Limb::new(upper, rng.between(158.0, 186.0))
}

fn straight(rng: &mut ChaCha8Rng, low: f32, high: f32) -> Limb {
    let upper = rng.between(low, high);
    Limb::new(upper, upper + rng.between(-5.0, 2.0))
}

fn stance(rng: &mut ChaCha8Rng) -> Stance {
    let mut s = Stance {
        arms: [hanging(rng), hanging(rng)],
        legs: [straight(rng, 0.0, 8.0), straight(rng, 0.0, 8.0)],
        arm_behind: [false; 2],
        lift: 0.0,
        seated: false,
    };
    let side = rng.below(2);
    match rng.below(20) {
        // Standing.
        0..=4 => {}
        // Walking towards the viewer: one leg is foreshortened, the arms swing.
        5..=8 => {
            s.legs[side] = Limb::new(rng.between(2.0, 10.0), rng.between(-6.0, 2.0));
            s.legs[1 - side] = Limb {
                upper_seen: rng.between(0.75, 0.9),
                lower_seen: rng.between(0.65, 0.9),
                ..Limb::new(rng.between(4.0, 14.0), rng.between(-12.0, 0.0))
            };
            s.arms[side] = Limb::new(rng.between(10.0, 25.0), rng.between(-70.0, -30.0));
            s.arms[1 - side] = Limb::new(rng.between(12.0, 30.0), rng.between(-25.0, 0.0));
            s.arm_behind[1 - side] = true;
        }
        // Waving.
        9..=11 => s.arms[side] = raised(rng),
        // Both arms up.
        12..=13 => s.arms = [raised(rng), raised(rng)],
        // Jumping.
        14..=15 => {
            s.arms = [straight(rng, 100.0, 150.0), straight(rng, 100.0, 150.0)];
            let leg = |rng: &mut ChaCha8Rng| {
                let upper = rng.between(18.0, 38.0);
                Limb::new(upper, upper - rng.between(5.0, 45.0))
            };
            s.legs = [leg(rng), leg(rng)];
            s.lift = rng.between(0.08, 0.2);
        }
        // Cross-legged on the ground.
        16..=17 => {
            let leg = |rng: &mut ChaCha8Rng| Limb {
                upper_seen: 0.8,
                lower_seen: 0.9,
                ..Limb::new(rng.between(74.0, 84.0), rng.between(-84.0, -74.0))
            };
            s.legs = [leg(rng), leg(rng)];
            let arm =
                |rng: &mut ChaCha8Rng| Limb::new(rng.between(16.0, 28.0), rng.between(-10.0, 18.0));
            s.arms = [arm(rng), arm(rng)];
            s.seated = true;
        }
        // Hands on the hips.
        18 => {
            let arm = |rng: &mut ChaCha8Rng| {
                Limb::new(rng.between(42.0, 52.0), rng.between(-58.0, -46.0))
            };
            s.arms = [arm(rng), arm(rng)];
            s.legs = [straight(rng, 6.0, 14.0), straight(rng, 6.0, 14.0)];
        }
        // A star: arms and legs apart.
        _ => {
            s.arms = [straight(rng, 82.0, 105.0), straight(rng, 82.0, 105.0)];
            s.legs = [straight(rng, 14.0, 24.0), straight(rng, 14.0, 24.0)];
        }
    }
    s
}

/// Half widths and lengths of the body.
const SHOULDER: [f32; 2] = [0.118, 0.735];
const HIP: [f32; 2] = [0.062, 0.465];
const UPPER_ARM: f32 = 0.150;
const FOREARM: f32 = 0.140;
const THIGH: f32 = 0.222;
const SHIN: f32 = 0.210;
/// Ankles stand this high above the soles.
const ANKLE: f32 = 0.035;

impl Figure {
    pub(crate) fn sample(rng: &mut ChaCha8Rng, shirt: &Colour) -> Self {
        let look = Look::sample(rng, shirt);
        let stance = stance(rng);
        let lean = rng.between(-5.0, 5.0) * DEGREE;
        let turn = rng.between(-1.0, 1.0);
        let tilt = rng.between(-9.0, 9.0) * DEGREE;
        let mut joints = [[0.0; 2]; 17];
        let (lean_sin, lean_cos) = (libm::sinf(lean), libm::cosf(lean));
        // The upper body leans about the middle of the hips.
        let upper = |x: f32, y: f32| {
            let dy = y - HIP[1];
            [x * lean_cos + dy * lean_sin, HIP[1] + dy * lean_cos - x * lean_sin]
        };
        let limb = |from: [f32; 2], length: f32, degrees: f32, side: f32| {
            let angle = degrees * DEGREE;
            [from[0] + side * length * libm::sinf(angle), from[1] - length * libm::cosf(angle)]
        };
        for (i, side) in SIDE.into_iter().enumerate() {
            let arm = stance.arms[i];
            let shoulder = upper(side * SHOULDER[0] * (1.0 - 0.12 * turn.abs()), SHOULDER[1]);
            let elbow = limb(shoulder, UPPER_ARM * arm.upper_seen, arm.upper, side);
            joints[joint::SHOULDER[i]] = shoulder;
            joints[joint::ELBOW[i]] = elbow;
            joints[joint::WRIST[i]] = limb(elbow, FOREARM * arm.lower_seen, arm.lower, side);
            let leg = stance.legs[i];
            let hip = [side * HIP[0], HIP[1]];
            let knee = limb(hip, THIGH * leg.upper_seen, leg.upper, side);
            joints[joint::HIP[i]] = hip;
            joints[joint::KNEE[i]] = knee;
            joints[joint::ANKLE[i]] = limb(knee, SHIN * leg.lower_seen, leg.lower, side);
        }
        let mut head = upper(0.012 * turn, 0.882);
        let (sin, cos) = (libm::sinf(tilt), libm::cosf(tilt));
        let on_head = |x: f32, y: f32| [head[0] + cos * x + sin * y, head[1] + cos * y - sin * x];
        joints[joint::NOSE] = on_head(0.042 * turn, -0.022);
        for (i, side) in SIDE.into_iter().enumerate() {
            joints[joint::EYE[i]] = on_head(side * 0.037 + 0.030 * turn, 0.010);
            // The head hides the ear on the side that it turns to.
            let away = (side * turn).max(0.0);
            joints[joint::EAR[i]] = on_head(side * (0.100 - 0.035 * away), -0.008);
        }
        let soles = joints[joint::ANKLE[0]][1].min(joints[joint::ANKLE[1]][1]) - ANKLE;
        let rise = stance.lift - soles;
        for point in joints.iter_mut().chain([&mut head]) {
            point[1] += rise;
        }
        Self {
            joints,
            head,
            tilt,
            arm_behind: stance.arm_behind,
            look,
            lift: stance.lift,
            seated: stance.seated,
        }
    }

    /// `[left, bottom, right, top]` with room for the parts around the joints.
    pub(crate) fn bounds(&self) -> [f32; 4] {
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for [x, y] in self.joints.iter().copied().chain([self.head]) {
            bounds[0] = bounds[0].min(x - 0.075);
            bounds[1] = bounds[1].min(y - 0.06);
            bounds[2] = bounds[2].max(x + 0.075);
            bounds[3] = bounds[3].max(y + 0.075);
        }
        bounds[0] = bounds[0].min(self.head[0] - 0.16);
        bounds[2] = bounds[2].max(self.head[0] + 0.16);
        bounds[3] = bounds[3].max(self.head[1] + 0.21);
        bounds
    }
}
