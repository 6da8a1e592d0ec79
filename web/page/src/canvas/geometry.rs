//! The view of a picture: where its px lie on the screen, and how zooming and panning change that.

/// A place, `[x, y]`; a name says in which frame.
pub type Place = [f32; 2];

/// How far a person may zoom in, in screen px per px of the picture, whatever fits.
const MOST_SCALE: f32 = 40.0;
/// How far a person may zoom out, as a share of what fits.
const LEAST_OF_FIT: f32 = 0.25;

/// Screen place = px of the picture * `scale` + `shift`. Screen px are CSS px of the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Screen px per px of the picture.
    pub scale: f32,
    /// Where the picture's upper left corner lies on the screen.
    pub shift: Place,
}

impl Default for View {
    fn default() -> Self {
        Self { scale: 1.0, shift: [0.0; 2] }
    }
}

impl View {
    /// The whole picture in the middle of what `[left, top, right, bottom]` screen px around it
    /// leave of the canvas.
    pub fn fit(picture_px: [u32; 2], canvas: [f32; 2], around: [f32; 4]) -> Self {
        let [left, top, right, bottom] = around;
        let [w, h] = picture_px.map(|side| side.max(1) as f32);
        let room = [(canvas[0] - left - right).max(16.0), (canvas[1] - top - bottom).max(16.0)];
        let scale = (room[0] / w).min(room[1] / h);
        Self {
            scale,
            shift: [left + (room[0] - w * scale) / 2.0, top + (room[1] - h * scale) / 2.0],
        }
    }

    /// From px of the picture to the screen.
    pub fn to_screen(&self, [x, y]: Place) -> Place {
        [x * self.scale + self.shift[0], y * self.scale + self.shift[1]]
    }

    /// From the screen to px of the picture.
    pub fn to_picture(&self, [x, y]: Place) -> Place {
        [(x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale]
    }

    /// Zooms by `factor` so that what lies under `at` (screen) stays there. `fit` is the scale at
    /// which the whole picture is seen.
    pub fn zoomed(&self, factor: f32, at: Place, fit: f32) -> Self {
        let bounds = [fit * LEAST_OF_FIT, MOST_SCALE.max(fit)];
        let scale = (self.scale * factor).clamp(bounds[0], bounds[1]);
        let [x, y] = self.to_picture(at);
        Self { scale, shift: [at[0] - x * scale, at[1] - y * scale] }
    }

    /// Moves the picture on the screen, keeping a part of it in sight.
    pub fn panned(&self, by: Place, picture_px: [u32; 2], canvas: [f32; 2]) -> Self {
        let mut shift = [self.shift[0] + by[0], self.shift[1] + by[1]];
        for axis in 0..2 {
            let extent = picture_px[axis] as f32 * self.scale;
            let least = 48.0_f32.min(extent);
            shift[axis] = shift[axis].clamp(least - extent, canvas[axis] - least);
        }
        Self { shift, ..*self }
    }

    /// What two fingers do: `before` and `now` are their places on the screen.
    pub fn pinched(&self, before: [Place; 2], now: [Place; 2], fit: f32) -> Self {
        let middle = |[a, b]: [Place; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let (from, to) = (middle(before), middle(now));
        let factor = distance(now[0], now[1]) / distance(before[0], before[1]).max(1.0);
        let zoomed = self.zoomed(factor, from, fit);
        let shift = [zoomed.shift[0] + to[0] - from[0], zoomed.shift[1] + to[1] - from[1]];
        Self { shift, ..zoomed }
    }
}

/// Between two places of one frame.
pub fn distance(a: Place, b: Place) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The nearest place inside a picture.
pub fn inside([x, y]: Place, picture_px: [u32; 2]) -> Place {
    let bound = |v: f32, side: u32| if v.is_finite() { v.clamp(0.0, side as f32) } else { 0.0 };
    [bound(x, picture_px[0]), bound(y, picture_px[1])]
}

/// The rectangle `[x, y, w, h]` between two corners.
pub fn rectangle(a: Place, b: Place) -> [f32; 4] {
    let (x, y) = (a[0].min(b[0]), a[1].min(b[1]));
    [x, y, (a[0] - b[0]).abs(), (a[1] - b[1]).abs()]
}

/// Intersection over union of two rectangles `[x, y, w, h]`; 0 where both are empty.
pub fn box_iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let along = |axis: usize| {
        let end = (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]);
        (end - a[axis].max(b[axis])).max(0.0)
    };
    let both = along(0) * along(1);
    let either = a[2] * a[3] + b[2] * b[3] - both;
    if either > 0.0 { both / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Place, b: Place) -> bool {
        distance(a, b) < 1e-3
    }

    #[test]
    fn the_screen_and_the_picture_are_inverse() {
        let view = View::fit([640, 480], [1000.0, 500.0], [20.0; 4]);
        assert!((view.scale - 460.0 / 480.0).abs() < 1e-6);
        for place in [[0.0, 0.0], [640.0, 480.0], [123.0, 45.0]] {
            assert!(near(view.to_picture(view.to_screen(place)), place));
        }
        assert!(near(view.to_screen([320.0, 240.0]), [500.0, 250.0]), "in the middle");
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer_and_stops_at_its_bounds() {
        let fit = View::fit([100, 100], [400.0, 400.0], [0.0; 4]);
        let at = [37.0, 211.0];
        let zoomed = fit.zoomed(3.0, at, fit.scale);
        assert!(near(zoomed.to_picture(at), fit.to_picture(at)));
        assert_eq!(fit.zoomed(1e9, at, fit.scale).scale, MOST_SCALE);
        assert_eq!(fit.zoomed(1e-9, at, fit.scale).scale, fit.scale * LEAST_OF_FIT);
    }

    #[test]
    fn a_picture_cannot_be_pushed_out_of_sight() {
        let view = View::fit([100, 100], [400.0, 400.0], [0.0; 4]);
        for by in [[1e6, 1e6], [-1e6, -1e6]] {
            let moved = view.panned(by, [100, 100], [400.0, 400.0]);
            let [x, y] = moved.shift;
            assert!((-352.0..=352.0).contains(&x) && (-352.0..=352.0).contains(&y));
        }
    }

    #[test]
    fn fingers_keep_what_they_touch() {
        let view = View { scale: 2.0, shift: [10.0, 20.0] };
        let (before, now) = ([[100.0, 100.0], [200.0, 100.0]], [[100.0, 150.0], [300.0, 150.0]]);
        let pinched = view.pinched(before, now, 1.0);
        assert_eq!(pinched.scale, 4.0);
        assert!(near(pinched.to_picture([200.0, 150.0]), view.to_picture([150.0, 100.0])));
    }

    #[test]
    fn overlap() {
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 2.0, 2.0]), 2.0 / 6.0);
        assert_eq!(box_iou([0.0; 4], [0.0; 4]), 0.0);
        assert_eq!(box_iou([0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 1.0, 1.0]), 0.0);
    }
}
