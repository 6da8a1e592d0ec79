//! Good and bad files, made here byte by byte.

use super::*;
use image::{GrayImage, Rgb, RgbImage, RgbaImage};
use refvlm_helpers::Folder;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn noise(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 37 + y * 11) as u8, (y * 53) as u8, x as u8]))
        .into()
}

/// A JPEG whose EXIF block says `orientation`.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn exif_turns_the_picture_upright() {
    let folder = Folder::new("exif");
    let left_dark = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 0 } else { 255 }; 3]));
    let jpeg = encoded(&left_dark.into(), ImageFormat::Jpeg);
    // 6: the camera was turned; the stored left column is the upright top row.
    let path = folder.file("turned.jpg", &with_orientation(&jpeg, 6));
    let picture = read_picture(&path).unwrap();
    assert_eq!((picture.width, picture.height), (16, 32));
    assert!(picture.rgb[0] < 20 && picture.rgb[picture.rgb.len() - 1] > 235);
}

#[test]
fn alpha_lies_on_white_and_grey_becomes_rgb() {
    let folder = Folder::new("alpha");
    let clear = RgbaImage::from_pixel(2, 1, image::Rgba([200, 0, 0, 0]));
    let path = folder.file("clear.png", &encoded(&clear.into(), ImageFormat::Png));
    assert_eq!(read_picture(&path).unwrap().rgb, [255; 6]);
    let half = RgbaImage::from_pixel(1, 1, image::Rgba([0, 0, 0, 128]));
    let path = folder.file("half.png", &encoded(&half.into(), ImageFormat::Png));
    assert_eq!(read_picture(&path).unwrap().rgb, [127; 3]);
    let grey = GrayImage::from_pixel(1, 2, image::Luma([9]));
    let path = folder.file("grey.png", &encoded(&grey.into(), ImageFormat::Png));
    assert_eq!(read_picture(&path).unwrap().rgb, [9; 6]);
}

#[test]
fn of_a_gif_the_first_frame_counts() {
    let folder = Folder::new("gif");
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for colour in [[255, 0, 0, 255], [0, 0, 255, 255]] {
            let frame = RgbaImage::from_pixel(3, 2, image::Rgba(colour));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let picture = read_picture(&folder.file("two.gif", &bytes)).unwrap();
    assert_eq!(picture, Picture::filled(3, 2, [255, 0, 0]));
}

#[test]
fn bad_files_are_named_with_a_remedy() {
    let folder = Folder::new("bad");
    let fails = |name: &str, bytes: &[u8]| {
        let error = read_picture(&folder.file(name, bytes)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        error
    };
    assert!(matches!(fails("empty.png", b""), PictureError::Empty { .. }));
    assert!(matches!(fails("text.jpg", b"not a picture at all"), PictureError::Format { .. }));
    let missing = read_picture(&folder.0.join("missing.png")).unwrap_err();
    assert!(matches!(missing, PictureError::Read { .. }));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let whole = encoded(&noise(64, 48), format);
        assert_eq!(decode_picture(&whole, Path::new("whole")).unwrap().width, 64);
        for keep in [whole.len() / 2, whole.len() * 9 / 10] {
            let error = fails(&format!("cut.{format:?}"), &whole[..keep]);
            assert!(matches!(error, PictureError::Damaged { .. }), "{format:?}: {error}");
        }
    }
}

#[test]
fn a_huge_claim_is_refused_before_decoding() {
    // A GIF header alone: 65535 x 65535.
    let mut gif = b"GIF89a\xff\xff\xff\xff\x80\0\0".to_vec();
    gif.extend([0; 6]);
    gif.extend([0x2C, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 1, 0, 0, 0x3B]);
    let error = decode_picture(&gif, Path::new("huge.gif")).unwrap_err();
    assert!(matches!(error, PictureError::Dimensions { width: 65535, .. }), "{error}");
}

#[test]
fn masks_by_brightness_or_opacity() {
    let folder = Folder::new("mask");
    let grey = GrayImage::from_vec(3, 1, vec![0, 127, 128]).unwrap();
    let path = folder.file("grey.png", &encoded(&grey.into(), ImageFormat::Png));
    assert_eq!(read_mask(&path, 3, 1).unwrap().pixels, [0, 0, 1]);
    let painted = RgbaImage::from_vec(2, 1, vec![0, 0, 0, 255, 255, 255, 255, 0]).unwrap();
    let path = folder.file("alpha.png", &encoded(&painted.into(), ImageFormat::Png));
    assert_eq!(read_mask(&path, 2, 1).unwrap().pixels, [1, 0]);
    assert!(matches!(read_mask(&path, 3, 1), Err(PictureError::MaskSize { .. })));
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new("write");
    let path = folder.0.join("new/folder/a.png");
    let picture = decode_picture(&encoded(&noise(7, 5), ImageFormat::Png), Path::new("n")).unwrap();
    write_png(&path, &picture).unwrap();
    assert_eq!(read_picture(&path).unwrap(), picture);
    let broken = Picture { width: 9, ..picture.clone() };
    assert!(matches!(write_png(&path, &broken), Err(PictureError::Encode { .. })));
    assert_eq!(read_picture(&path).unwrap(), picture);
}
