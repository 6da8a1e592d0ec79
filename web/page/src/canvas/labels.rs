//! Places for labels, so that they hide little and never each other.

/// Places a label of each size beside its rectangle, all `[x, y, w, h]` on the screen: above, below
/// or inside, inside the area where it can be. Earlier labels choose first.
pub fn placed(labels: &[([f32; 4], [f32; 2])], area: [f32; 4]) -> Vec<[f32; 4]> {
    let mut taken: Vec<[f32; 4]> = Vec::new();
    for &(rect, size) in labels {
        let candidates = candidates(rect, size).map(|at| inside(at, size, area));
        let cost = |(rank, place): &(usize, [f32; 4])| {
            let hidden: f32 = taken.iter().map(|other| overlap(*place, *other)).sum();
            hidden * 10.0 + *rank as f32 * size[1]
        };
        let best = candidates
            .into_iter()
            .enumerate()
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
            .map_or([rect[0], rect[1], size[0], size[1]], |(_, place)| place);
        taken.push(best);
    }
    taken
}

fn candidates([x, y, w, h]: [f32; 4], [lw, lh]: [f32; 2]) -> [[f32; 2]; 8] {
    let gap = 3.0;
    [
        [x, y - lh - gap],
        [x + w - lw, y - lh - gap],
        [x + gap, y + gap],
        [x, y + h + gap],
        [x + w - lw - gap, y + gap],
        [x + w - lw, y + h + gap],
        [x, y - 2.0 * (lh + gap)],
        [x, y + h + lh + 2.0 * gap],
    ]
}

fn inside([x, y]: [f32; 2], [w, h]: [f32; 2], area: [f32; 4]) -> [f32; 4] {
    let bound = |v: f32, low: f32, room: f32| v.min(low + room).max(low);
    [bound(x, area[0], area[2] - w), bound(y, area[1], area[3] - h), w, h]
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let along = |axis: usize| {
        let end = (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]);
        (end - a[axis].max(b[axis]) + 2.0).max(0.0)
    };
    along(0) * along(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: [f32; 4] = [0.0, 0.0, 400.0, 300.0];

    #[test]
    fn labels_of_things_in_one_place_do_not_cover_each_other() {
        let labels = [([100.0, 100.0, 80.0, 60.0], [70.0, 20.0]); 4];
        let places = placed(&labels, AREA);
        for (at, place) in places.iter().enumerate() {
            for other in &places[at + 1..] {
                let apart = place[0] + place[2] <= other[0]
                    || other[0] + other[2] <= place[0]
                    || place[1] + place[3] <= other[1]
                    || other[1] + other[3] <= place[1];
                assert!(apart, "{places:?}");
            }
        }
    }

    #[test]
    fn labels_stay_in_the_area() {
        for corner in [[0.0, 0.0], [390.0, 290.0], [-50.0, 500.0]] {
            let [x, y, w, h] =
                placed(&[([corner[0], corner[1], 10.0, 10.0], [90.0, 22.0])], AREA)[0];
            assert!(x >= 0.0 && y >= 0.0 && x + w <= 400.0 && y + h <= 300.0);
        }
    }
}
