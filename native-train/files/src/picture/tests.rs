//! Good and bad files, made here byte by byte.

use super::*;
use image::{GrayImage, Rgb, RgbImage, RgbaImage};
use refvlm_helpers::Folder;

pub(super) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
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
    assert!(matches!(fails("text.jpg", b"not a picture at all"), PictureError::Known { .. }));
    assert!(matches!(fails("noise.jpg", b"\x07\xFE\x00\x80 what"), PictureError::Format { .. }));
    let missing = read_picture(&folder.0.join("missing.png")).unwrap_err();
    assert!(matches!(missing, PictureError::Read { .. }));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let whole = encoded(&noise(64, 48), format);
        assert_eq!(decode_picture(&whole, Path::new("whole")).unwrap().width, 64);
        let most = if format == ImageFormat::Jpeg { 8 } else { 9 };
        for keep in [whole.len() / 2, whole.len() * most / 10] {
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
    write_picture(&path, &picture).unwrap();
    assert_eq!(read_picture(&path).unwrap(), picture);
    let broken = Picture { width: 9, ..picture.clone() };
    assert!(matches!(write_picture(&path, &broken), Err(PictureError::Encode { .. })));
    assert_eq!(read_picture(&path).unwrap(), picture);
}

/// A chunk of a PNG; the check sum is computed here.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [name, content].concat();
    let crc = body.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xEDB8_8320 * (c & 1)))
    });
    [&(content.len() as u32).to_be_bytes()[..], &body, &(!crc).to_be_bytes()].concat()
}

#[test]
fn exif_turns_a_png_too() {
    let png = encoded(&noise(32, 16), ImageFormat::Png);
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([6, 0, 0, 0, 0, 0, 0, 0]);
    // Behind the signature and the header.
    let turned = [&png[..33], &chunk(b"eXIf", &exif), &png[33..]].concat();
    let picture = decode_picture(&turned, Path::new("turned.png")).unwrap();
    assert_eq!((picture.width, picture.height), (16, 32));
}

#[test]
fn twelve_bits_in_sixteen_are_not_black() {
    let grey = |most: u16| {
        let grey = image::ImageBuffer::from_fn(4, 1, |x, _| image::Luma([most / 3 * x as u16]));
        let png = encoded(&DynamicImage::ImageLuma16(grey), ImageFormat::Png);
        decode_picture(&png, Path::new("deep.png")).unwrap().rgb
    };
    for most in [1023, 4095, 65_535] {
        let rgb = grey(most);
        assert!((rgb[3].abs_diff(85) <= 1) && rgb[9] == 255, "{most}: {rgb:?}");
    }
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (bytes, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"BM\x36\0\0\0\0\0\0\0\x36\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"P6\n2 2\n255\n", "PNM"),
        (b"\x1F\x8B\x08\0", "gzip"),
        (b"\n\x89PNG\r\n\x1A\n\0\0", "other bytes before it"),
        (b"\xEF\xBB\xBF\xFF\xD8\xFF\xE0", "other bytes before it"),
        (b"iVBORw0KGgoAAAANSUhEUgAA", "base64"),
        (b"data:image/jpeg;base64,/9j/4AAQ", "base64"),
        (b"{\"error\": \"not found\"}", "JSON"),
        (b"Not found", "a text"),
        ("ein Bild, größer".as_bytes(), "a text"),
    ] {
        let error = decode_picture(bytes, Path::new("photo.jpg")).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("not read: "), "{error}");
    }
}

#[test]
fn decoded_bytes_are_bounded_before_decoding() {
    // 120 megapixels of 16-bit RGBA: few bytes in the file, 960 MB in memory.
    let mut header = 12_000u32.to_be_bytes().to_vec();
    header.extend(10_000u32.to_be_bytes());
    header.extend([16, 6, 0, 0, 0]);
    let data = chunk(b"IDAT", &[0x78, 0x9C, 0x03, 0, 0, 0, 0, 1]);
    let png = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), data].concat();
    let error = decode_picture(&png, Path::new("big.png")).unwrap_err();
    assert!(matches!(error, PictureError::Decoded { needed: 915, .. }), "{error}");
}

#[test]
fn two_values_are_a_mask_and_an_index_mask_is_not() {
    let folder = Folder::new("values");
    let read = |values: &[u8]| {
        let grey = GrayImage::from_vec(values.len() as u32, 1, values.to_vec()).unwrap();
        let path = folder.file("mask.png", &encoded(&grey.into(), ImageFormat::Png));
        read_mask(&path, values.len() as u32, 1)
    };
    assert_eq!(read(&[0, 1, 0, 1]).unwrap().pixels, [0, 1, 0, 1]);
    assert_eq!(read(&[0, 255, 0]).unwrap().pixels, [0, 1, 0]);
    assert_eq!(read(&[0, 0]).unwrap().pixels, [0, 0]);
    let error = read(&[0, 1, 2, 3]).unwrap_err();
    assert!(error.to_string().contains("4 values from 0 to 3"), "{error}");
}

#[test]
fn a_mask_has_one_colour_besides_its_ground() {
    let folder = Folder::new("colours");
    let read = |colours: &[[u8; 3]]| {
        let image = RgbImage::from_fn(colours.len() as u32, 1, |x, _| Rgb(colours[x as usize]));
        let path = folder.file("mask.png", &encoded(&image.into(), ImageFormat::Png));
        read_mask(&path, colours.len() as u32, 1)
    };
    let (black, yellow) = ([0, 0, 0], [255, 255, 0]);
    // Painted, with a soft edge.
    assert_eq!(read(&[black, [100, 100, 0], yellow]).unwrap().pixels, [0, 0, 1]);
    assert_eq!(read(&[[255, 0, 0], black]).unwrap().pixels, [1, 0]);
    assert_eq!(read(&[[0, 0, 255], [255, 0, 0]]).unwrap().pixels, [0, 1]);
    // The colours of Pascal VOC: two things and what counts for neither.
    let error = read(&[black, [128, 0, 0], [0, 128, 0], [224, 224, 192]]).unwrap_err();
    assert!(matches!(error, PictureError::MaskColours { .. }), "{error}");
}

#[test]
fn the_ending_decides_the_format() {
    let folder = Folder::new("ending");
    let picture = Picture::filled(9, 7, [200, 100, 50]);
    for (name, start) in [("a.png", &b"\x89PNG"[..]), ("a.JPG", b"\xFF\xD8"), ("a.webp", b"RIFF")] {
        let path = folder.0.join(name);
        write_picture(&path, &picture).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(start), "{name}");
        assert_eq!(read_picture(&path).unwrap().width, 9);
    }
    for name in ["a.gif", "a", "a.txt"] {
        let error = write_picture(&folder.0.join(name), &picture).unwrap_err();
        assert!(matches!(error, PictureError::Ending { .. }), "{error}");
    }
}
