//! Pictures of which a part is missing, and colours that are not sRGB.

use super::tests::encoded;
use super::*;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use moxcms::{
    ColorProfile, DataColorSpace, LutDataType, LutStore, LutType, LutWarehouse, Matrix3d,
    ProfileClass,
};

/// Noise, so that every block has data.
fn noise(width: u32, height: u32) -> DynamicImage {
    let shade = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
    RgbImage::from_fn(width, height, |x, y| Rgb([shade(x, y), shade(y, x), x * y].map(|v| v as u8)))
        .into()
}

fn open(bytes: &[u8]) -> Result<(Picture, Vec<Remark>), PictureError> {
    open_picture(bytes, Path::new("a.jpg"))
}

fn missing(remarks: &[Remark]) -> bool {
    matches!(remarks, [Remark::Missing { .. }])
}

#[test]
fn half_a_jpeg_is_noticed_with_and_without_an_end_marker() {
    let whole = encoded(&noise(160, 120), ImageFormat::Jpeg);
    let (picture, remarks) = open(&whole).unwrap();
    assert_eq!(remarks, []);
    let known = image::load_from_memory(&whole).unwrap().into_rgb8().into_raw();
    assert_eq!(picture.rgb, known);
    // Only the end marker is missing, or another picture follows it.
    for more in [whole[..whole.len() - 2].to_vec(), [&whole[..], &whole[..]].concat()] {
        assert_eq!(open(&more).unwrap(), (picture.clone(), Vec::new()));
    }
    let data = 700..whole.len() - 2;
    for part in 0..20 {
        let cut = data.start + (data.len() * part / 20);
        for end in [&b"\xFF\xD9"[..], b""] {
            let bytes = [&whole[..cut], end].concat();
            let (found, remarks) = open(&bytes).unwrap();
            assert!(missing(&remarks), "{part}: {remarks:?}");
            assert_eq!((found.width, found.height), (160, 120));
            let error = decode_picture(&bytes, Path::new("a.jpg")).unwrap_err();
            assert!(matches!(error, PictureError::Damaged { .. }), "{error}");
        }
    }
    // A stretch in the middle that never came, as an interrupted copy leaves it. Zeros are taken for
    // blocks of 190 bits or so; that too few of them come is what is noticed.
    let even = RgbImage::from_fn(160, 120, |x, y| Rgb([x as u8, y as u8, (x * y / 90) as u8]));
    let mut gap = encoded(&even.into(), ImageFormat::Jpeg);
    let data = 700..gap.len() - 2;
    gap[data.start + data.len() / 3..data.start + data.len() * 2 / 3].fill(0);
    assert!(missing(&open(&gap).unwrap().1));
}

/// A JPEG of even blocks, one shade per component, as its encoders write it.
struct Blocks {
    side: u32,
    shades: Vec<u8>,
    restart: Option<u16>,
    /// Adobe's segment: the colours of four components are inks, held in reverse.
    inks: bool,
    icc: Vec<u8>,
}

impl Blocks {
    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8];
        let mut segment = |marker: u8, content: &[u8]| {
            out.extend([0xFF, marker]);
            out.extend((content.len() as u16 + 2).to_be_bytes());
            out.extend(content);
        };
        if self.inks {
            segment(0xEE, b"Adobe\0\x64\0\0\0\0\0");
        }
        if !self.icc.is_empty() {
            segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", &self.icc[..]].concat());
        }
        // Every factor is 8, so that a block's first coefficient is its shade.
        segment(0xDB, &[&[0][..], &[8; 64]].concat());
        let side = (self.side as u16).to_be_bytes();
        let count = self.shades.len() as u8;
        let all = || 1..=count;
        let frame = [
            &[8, side[0], side[1], side[0], side[1], count],
            &all().flat_map(|k| [k, 0x11, 0]).collect::<Vec<u8>>()[..],
        ]
        .concat();
        segment(0xC0, &frame);
        // Twelve codes of four bits for the sizes of first coefficients; one of one bit: no others.
        segment(0xC4, &[&[0, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat());
        segment(0xC4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
        if let Some(restart) = self.restart {
            segment(0xDD, &restart.to_be_bytes());
        }
        let scan = [&[count][..], &all().flat_map(|k| [k, 0]).collect::<Vec<u8>>(), &[0, 63, 0]];
        segment(0xDA, &scan.concat());
        out.extend(self.data());
        out.extend([0xFF, 0xD9]);
        out
    }

    fn data(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bits = String::new();
        let mut last = vec![0i32; self.shades.len()];
        let blocks = (self.side / 8) * (self.side / 8);
        let flush = |bits: &mut String, out: &mut Vec<u8>| {
            while !bits.len().is_multiple_of(8) {
                bits.push('1');
            }
            for byte in bits.as_bytes().chunks(8) {
                let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
                out.push(byte);
                if byte == 0xFF {
                    out.push(0);
                }
            }
            bits.clear();
        };
        for block in 0..blocks {
            for (last, shade) in last.iter_mut().zip(&self.shades) {
                let value = i32::from(*shade) - 128;
                let step = value - *last;
                *last = value;
                let size = (32 - step.unsigned_abs().leading_zeros()) as usize;
                bits += &format!("{size:04b}");
                if size > 0 {
                    let code = if step < 0 { step + (1 << size) - 1 } else { step };
                    bits += &format!("{code:0size$b}");
                }
                bits += "0";
            }
            let restarts = self.restart.is_some_and(|n| (block + 1).is_multiple_of(n.into()));
            if restarts && block + 1 < blocks {
                flush(&mut bits, &mut out);
                let number = (block + 1) / u32::from(self.restart.unwrap_or(1)) - 1;
                out.extend([0xFF, 0xD0 + (number % 8) as u8]);
                last.fill(0);
            }
        }
        flush(&mut bits, &mut out);
        out
    }
}

fn blocks(side: u32, shades: &[u8]) -> Blocks {
    Blocks { side, shades: shades.to_vec(), restart: None, inks: false, icc: Vec::new() }
}

#[test]
fn few_bytes_a_row_and_restart_markers_are_not_damage() {
    for side in [8, 16, 64, 256] {
        // A row of blocks is a few bytes, of which the decoder reads several rows ahead.
        for restart in [None, Some(1), Some(2), Some(side as u16 / 8), Some(999)] {
            let even = Blocks { restart, ..blocks(side, &[90]) };
            let (picture, remarks) = open(&even.bytes()).unwrap();
            assert_eq!(remarks, [], "{side} {restart:?}");
            assert_eq!(picture, Picture::filled(side, side, [90; 3]));
        }
    }
    let even = Blocks { restart: Some(32), ..blocks(256, &[90]) }.bytes();
    let cut = [&even[..even.len() - 400], b"\xFF\xD9"].concat();
    assert!(missing(&open(&cut).unwrap().1));
}

#[test]
fn inks_are_brought_to_rgb_by_their_profile_or_by_a_product() {
    // Held in reverse: cyan 55, magenta 155, yellow 205, black 35 of 255.
    let print = Blocks { inks: true, ..blocks(16, &[200, 100, 50, 220]) };
    let (picture, remarks) = open(&print.bytes()).unwrap();
    assert_eq!(remarks, [Remark::Print]);
    let near = |picture: &Picture, wanted: [u8; 3]| {
        let off = picture.rgb.iter().zip(wanted.iter().cycle()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off.unwrap() <= 2, "{:?} and not {wanted:?}", &picture.rgb[..3]);
    };
    near(&picture, [173, 86, 43]);
    // A profile by which every ink is invisible but black, which makes the paper grey at half.
    let levels = |k: u16| [if k & 1 == 1 { 0x7F80 } else { 0xFF00 }, 0x8000, 0x8000];
    let lut = LutDataType {
        num_input_channels: 4,
        num_output_channels: 3,
        num_clut_grid_points: 2,
        matrix: Matrix3d::IDENTITY,
        num_input_table_entries: 2,
        num_output_table_entries: 2,
        input_table: LutStore::Store16([0, 65_535].repeat(4)),
        clut_table: LutStore::Store16((0..16).flat_map(levels).collect()),
        output_table: LutStore::Store16([0, 65_535].repeat(3)),
        lut_type: LutType::Lut16,
    };
    let mut profile = ColorProfile::default();
    profile.profile_class = ProfileClass::OutputDevice;
    profile.color_space = DataColorSpace::Cmyk;
    profile.pcs = DataColorSpace::Lab;
    profile.lut_a_to_b_perceptual = Some(LutWarehouse::Lut(lut));
    let icc = profile.encode().unwrap();
    for (black, wanted) in [(255, 255), (0, 119)] {
        let print = Blocks { inks: true, icc: icc.clone(), ..blocks(16, &[200, 100, 50, black]) };
        let (picture, remarks) = open(&print.bytes()).unwrap();
        assert_eq!(remarks, []);
        // Lab 50 is 119 in sRGB.
        near(&picture, [wanted; 3]);
    }
    // One that is not of inks.
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let print = Blocks { inks: true, icc, ..blocks(16, &[200, 100, 50, 220]) };
    let (picture, remarks) = open(&print.bytes()).unwrap();
    assert_eq!(remarks, [Remark::Print]);
    near(&picture, [173, 86, 43]);
}

fn png_with(icc: Vec<u8>, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(icc).unwrap();
    encoder.write_image(rgb, rgb.len() as u32 / 3, 1, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// By the published curves and matrices, in f64.
fn by_hand(colour: [u8; 3], matrix: [[f64; 3]; 3], linear: impl Fn(f64) -> f64) -> [u8; 3] {
    let light = colour.map(|v| linear(f64::from(v) / 255.0));
    matrix.map(|row| {
        let v: f64 = row.iter().zip(light).map(|(a, b)| a * b).sum();
        let v = v.clamp(0.0, 1.0);
        let v = if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v * 255.0).round() as u8
    })
}

#[test]
fn colours_of_phones_and_cameras_are_brought_to_srgb() {
    let colours = [[200, 100, 50], [20, 180, 90], [128, 128, 128], [255, 255, 255], [90, 60, 200]];
    let curve = |v: f64| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
    let p3 = [
        [1.224_940, -0.224_940, 0.0],
        [-0.042_057, 1.042_057, 0.0],
        [-0.019_638, -0.078_636, 1.098_274],
    ];
    let adobe = [[1.398_36, -0.398_36, 0.0], [0.0, 1.0, 0.0], [0.0, -0.042_93, 1.042_93]];
    let gamma = |v: f64| v.powf(563.0 / 256.0);
    for colour in colours {
        for (profile, wanted) in [
            (ColorProfile::new_display_p3(), by_hand(colour, p3, curve)),
            (ColorProfile::new_adobe_rgb(), by_hand(colour, adobe, gamma)),
        ] {
            let png = png_with(profile.encode().unwrap(), &colour);
            let (picture, remarks) = open(&png).unwrap();
            assert_eq!(remarks, [Remark::Converted]);
            let off = (0..3).map(|k| picture.rgb[k].abs_diff(wanted[k])).max().unwrap();
            assert!(off <= 2, "{colour:?}: {:?} and not {wanted:?}", picture.rgb);
        }
    }
    // Under its own profile a picture stays as it is, to the last bit.
    let srgb = png_with(ColorProfile::new_srgb().encode().unwrap(), &colours.concat());
    let (picture, remarks) = open(&srgb).unwrap();
    assert_eq!((picture.rgb, remarks), (colours.concat(), Vec::new()));
}

#[test]
fn a_profile_that_is_damaged_or_of_other_colours_is_passed_over() {
    let grey = [120, 120, 120];
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let mut seen = 0;
    for at in (0..icc.len()).step_by(3) {
        for value in [0, 0xFF, icc[at] ^ 0x41] {
            let mut broken = icc.clone();
            broken[at] = value;
            let (picture, remarks) = open(&png_with(broken, &grey)).unwrap();
            seen += usize::from(matches!(remarks[..], [Remark::Profile { .. }]));
            assert_eq!(picture.rgb.len(), 3);
        }
        let (picture, remarks) = open(&png_with(icc[..at].to_vec(), &grey)).unwrap();
        assert!(picture.rgb == grey || !remarks.is_empty(), "{at}: {remarks:?}");
    }
    assert!(seen > 0);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new(&mut bytes);
    encoder.set_icc_profile(icc).unwrap();
    encoder.write_image(&[77; 64], 8, 8, ExtendedColorType::L8).unwrap();
    let (picture, remarks) = open(&bytes).unwrap();
    assert!(matches!(remarks[..], [Remark::Profile { .. }]), "{remarks:?}");
    assert_eq!(picture, Picture::filled(8, 8, [77; 3]));
    // A grey one of a lower curve makes grey darker in the shadows than sRGB.
    let grey = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(grey).unwrap();
    encoder.write_image(&[55], 1, 1, ExtendedColorType::L8).unwrap();
    let (picture, remarks) = open(&bytes).unwrap();
    assert_eq!(remarks, [Remark::Converted]);
    assert!(picture.rgb[0].abs_diff(128) <= 2, "{:?}", picture.rgb);
}
