//! The perspective that all of a scene shares.

/// Sky and mountains are this far, metres.
pub(crate) const FAR_M: f32 = 60.0;

/// A camera that looks level over flat ground.
///
/// Frame coordinates: unit is the longest side of the picture, origin top left, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Camera {
    /// Columns and rows of the picture in units of its longest side.
    pub(crate) frame: [f32; 2],
    /// Row of the horizon, frame coordinates.
    pub(crate) horizon: f32,
    /// Focal length in units of the longest side.
    pub(crate) focal: f32,
    /// Height above the ground in metres.
    pub(crate) height_m: f32,
}

impl Camera {
    /// Row at which the ground is `depth_m` away.
    pub(crate) fn ground_y(&self, depth_m: f32) -> f32 {
        self.horizon + self.focal * self.height_m / depth_m
    }

    /// Depth of the ground seen at row `y`; [`FAR_M`] at and above the horizon.
    pub(crate) fn ground_m(&self, y: f32) -> f32 {
        let below = y - self.horizon;
        if below <= 0.0 { FAR_M } else { (self.focal * self.height_m / below).min(FAR_M) }
    }

    /// Length in frame units of one metre at `depth_m`.
    pub(crate) fn scale(&self, depth_m: f32) -> f32 {
        self.focal / depth_m
    }
}
