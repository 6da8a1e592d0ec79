//! Kinds of background.

use crate::canvas::{Canvas, SHORE_M, Shade};
use crate::{indoors, outdoors};

/// A kind of background.
pub(crate) struct Background {
    /// As it is spoken of: `a beach`.
    pub(crate) name: &'static str,
    /// A room: no sky, nothing that belongs outdoors.
    pub(crate) indoors: bool,
    /// Depths between which there is water.
    pub(crate) water_m: Option<[f32; 2]>,
    /// Depth up to which things stand on the ground.
    pub(crate) ground_m: f32,
    /// Light that falls on the objects, per channel.
    pub(crate) light: [f32; 3],
    /// Colour into which far objects fade.
    pub(crate) haze: [f32; 3],
    /// Colour and depth at a point of the frame.
    pub(crate) paint: fn(&Canvas, f32, f32) -> Shade,
}

/// Every kind.
pub(crate) const BACKGROUNDS: &[Background] = &[
    outdoor("a beach", [1.03, 1.01, 0.97], [0.72, 0.87, 0.95], outdoors::beach).with_water(),
    outdoor("a meadow", [1.0, 1.0, 1.0], [0.76, 0.88, 0.93], outdoors::meadow),
    outdoor("a desert", [1.04, 1.0, 0.93], [0.95, 0.85, 0.70], outdoors::desert),
    outdoor("a snowy field", [0.98, 1.0, 1.04], [0.88, 0.93, 0.98], outdoors::snow),
    outdoor("a street", [0.99, 0.99, 0.99], [0.78, 0.83, 0.88], outdoors::street),
    outdoor("a city at night", [0.83, 0.84, 0.95], [0.12, 0.13, 0.28], outdoors::night),
    outdoor("a forest", [0.90, 0.96, 0.88], [0.45, 0.60, 0.48], outdoors::forest),
    outdoor("a lake", [0.98, 1.0, 1.01], [0.74, 0.86, 0.93], outdoors::lake).with_water(),
    outdoor("a mountain valley", [0.99, 1.0, 1.01], [0.74, 0.84, 0.93], outdoors::mountains),
    outdoor("a playground", [1.02, 1.0, 0.98], [0.78, 0.88, 0.93], outdoors::playground),
    outdoor("an autumn field", [1.03, 0.98, 0.92], [0.92, 0.80, 0.66], outdoors::autumn),
    outdoor("a sunset", [0.97, 0.83, 0.80], [0.88, 0.52, 0.42], outdoors::sunset),
    room("a living room", [1.01, 0.98, 0.94], indoors::living_room),
    room("a kitchen", [1.0, 1.0, 1.0], indoors::kitchen),
];

const fn outdoor(
    name: &'static str,
    light: [f32; 3],
    haze: [f32; 3],
    paint: fn(&Canvas, f32, f32) -> Shade,
) -> Background {
    Background { name, indoors: false, water_m: None, ground_m: 18.0, light, haze, paint }
}

const fn room(
    name: &'static str,
    light: [f32; 3],
    paint: fn(&Canvas, f32, f32) -> Shade,
) -> Background {
    Background {
        name,
        indoors: true,
        water_m: None,
        ground_m: indoors::WALL_M - 0.7,
        light,
        haze: [0.6; 3],
        paint,
    }
}

impl Background {
    const fn with_water(mut self) -> Self {
        self.ground_m = SHORE_M - 0.4;
        self.water_m = Some([SHORE_M + 1.2, 24.0]);
        self
    }
}
