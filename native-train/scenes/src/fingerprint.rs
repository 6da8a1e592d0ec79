//! One number for a scene, to compare platforms.

use crate::scene::Scene;

/// Seeds and fingerprints of scenes with the default options at 128 px. Every platform must draw
/// exactly these; they change only when the world does.
pub const GOLDEN_SCENES: [(u64, u64); 6] = [
    (0, 0x8654_efe6_888a_97cf),
    (1, 0xd796_bfca_be1f_21b1),
    (2, 0xa6d7_cf41_fbb7_a860),
    (3, 0x5543_a61d_6b44_518e),
    (77, 0xec37_d5fc_edb9_1c42),
    (u64::MAX, 0x9cdb_7acc_3e1f_bd26),
];

impl Scene {
    /// FNV-1a (64 bit) over the picture and all of its labels.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        add(&self.width.to_le_bytes());
        add(&self.height.to_le_bytes());
        add(self.background.as_bytes());
        add(&self.rgb);
        self.depth_m.iter().for_each(|d| add(&d.to_le_bytes()));
        for object in &self.objects {
            add(object.class.as_bytes());
            add(object.colour.unwrap_or_default().as_bytes());
            add(&object.mask.pixels);
            let numbers =
                object.bbox.iter().chain([&object.visible, &object.depth_m, &object.height_m]);
            numbers.for_each(|v| add(&v.to_le_bytes()));
            let joints = object.keypoints.iter().flatten().flatten();
            joints.for_each(|v| add(&v.to_le_bytes()));
        }
        hash
    }
}
