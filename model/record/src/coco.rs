//! The body as COCO describes it: 17 joints, how they are joined, and how exactly people mark them.

/// Joints of a body.
pub const COUNT: usize = 17;

/// COCO's names of joints, in its order.
pub const JOINTS: [&str; COUNT] = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

/// The constants of COCO's object keypoint similarity: how far annotators stray at each joint, as
/// a share of the root of the body's area.
pub const SIGMAS: [f32; COUNT] = [
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
    0.087, 0.087, 0.089, 0.089,
];

/// Joints that change places when a picture is mirrored: left, right. The nose stays.
pub const FLIP_PAIRS: [(usize, usize); 8] =
    [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)];

/// COCO's skeleton, joints counted from 1 as in its files.
pub const SKELETON: [[u32; 2]; 19] = [
    [16, 14],
    [14, 12],
    [17, 15],
    [15, 13],
    [12, 13],
    [6, 12],
    [7, 13],
    [6, 7],
    [6, 8],
    [7, 9],
    [8, 10],
    [9, 11],
    [2, 3],
    [1, 2],
    [1, 3],
    [2, 4],
    [3, 5],
    [4, 6],
    [5, 7],
];

/// What is drawn of the skeleton (all but the line between the eyes), joints counted from 0, and
/// in which colour: right side warm, left side cold, head and trunk between.
pub const LIMBS: [(usize, usize, [u8; 3]); 18] = [
    (0, 1, [250, 204, 21]),
    (0, 2, [250, 204, 21]),
    (1, 3, [250, 204, 21]),
    (2, 4, [250, 204, 21]),
    (3, 5, [163, 230, 53]),
    (4, 6, [251, 191, 36]),
    (5, 6, [74, 222, 128]),
    (5, 11, [45, 212, 191]),
    (6, 12, [251, 146, 60]),
    (11, 12, [74, 222, 128]),
    (5, 7, [56, 189, 248]),
    (7, 9, [59, 130, 246]),
    (6, 8, [251, 113, 33]),
    (8, 10, [239, 68, 68]),
    (11, 13, [129, 140, 248]),
    (13, 15, [139, 92, 246]),
    (12, 14, [244, 63, 94]),
    (14, 16, [219, 39, 119]),
];

/// A joint whose presence is at most this is not drawn, and is unlabelled where it is saved.
pub const JOINT_VISIBLE: f32 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_joints_are_left_and_right_of_a_kind() {
        for (left, right) in FLIP_PAIRS {
            assert_eq!(JOINTS[left].replace("left", "right"), JOINTS[right]);
            assert_eq!(SIGMAS[left], SIGMAS[right]);
        }
        let mut moved: Vec<usize> = FLIP_PAIRS.iter().flat_map(|&(a, b)| [a, b]).collect();
        moved.sort_unstable();
        assert_eq!(moved, (1..COUNT).collect::<Vec<_>>(), "all but the nose, each once");
    }

    #[test]
    fn what_is_drawn_is_the_skeleton_without_the_line_between_the_eyes() {
        let sorted = |a: usize, b: usize| [a.min(b), a.max(b)];
        let mut drawn: Vec<_> = LIMBS.iter().map(|&(a, b, _)| sorted(a, b)).collect();
        drawn.push(sorted(1, 2));
        drawn.sort_unstable();
        let mut skeleton: Vec<_> =
            SKELETON.iter().map(|&[a, b]| sorted(a as usize - 1, b as usize - 1)).collect();
        skeleton.sort_unstable();
        assert_eq!(drawn, skeleton);
    }
}
