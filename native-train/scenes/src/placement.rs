//! One object of a scene, and how it is drawn alone.

use crate::camera::Camera;
use crate::layer::Layer;
use crate::person::Figure;
use crate::sprite::{Pose, Sprites};
use crate::tint::Colour;

/// One object, not yet drawn. Frame coordinates (see [`Camera`]).
pub(crate) struct Placement {
    /// Index of the class.
    pub(crate) class: usize,
    /// Colour where it is spoken of.
    pub(crate) colour: Option<&'static Colour>,
    /// Where it stands on the ground, or would if it fell.
    pub(crate) ground: [f32; 2],
    /// Row of its lowest edge.
    pub(crate) base_y: f32,
    pub(crate) depth_m: f32,
    pub(crate) height_m: f32,
    /// Drawn height.
    pub(crate) height: f32,
    /// Turn in radians.
    pub(crate) angle: f32,
    pub(crate) flip: bool,
    /// Only people have one.
    pub(crate) figure: Option<Figure>,
}

/// Columns and rows of a picture.
pub(crate) fn picture_size(camera: &Camera, side_px: u32) -> [u32; 2] {
    camera.frame.map(|f| (f * side_px as f32 + 0.5) as u32)
}

impl Placement {
    /// Draws the object alone.
    pub(crate) fn layer(&self, sprites: &Sprites, camera: &Camera, side_px: u32) -> Layer {
        let size = picture_size(camera, side_px);
        let side = side_px as f32;
        let height = self.height * side;
        match (&self.figure, sprites.get(self.class)) {
            (Some(figure), _) => figure.draw(self.ground.map(|v| v * side), height, size),
            (None, Some(sprite)) => {
                let pose = Pose {
                    centre: [self.ground[0] * side, self.base_y * side - height * 0.5],
                    height,
                    angle: self.angle,
                    flip: self.flip,
                    colour: self.colour,
                };
                sprite.draw(&pose, size)
            }
            (None, None) => Layer::clipped([0.0; 4], size),
        }
    }
}
