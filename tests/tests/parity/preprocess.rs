//! Preparing pictures and the way back, against reference tensors and by its own rules.
use refvlm_model::image::{
    BoxDigits, FILL_RGB, Frame, ImageError, Picture, Preprocess, resize_bicubic, resize_bilinear,
    resize_square, share_of_cells,
};
use refvlm_model::prompting::Shape;
use refvlm_model::sam::SamFrame;
use refvlm_record::{MAX_SIDE_PX, Mask};
use refvlm_tests::{Fixture, close};

/// Rows of four numbers.
fn rows<const N: usize>(values: &[f32]) -> Vec<[f32; N]> {
    values.as_chunks::<N>().0.to_vec()
}

fn check(name: &str) {
    let Some(fixture) = Fixture::open(name) else { return };
    let (width, height): (u32, u32) = (fixture.setting("width"), fixture.setting("height"));
    let side: u32 = fixture.setting("side");
    let offset: u32 = fixture.setting("pad_offset");
    assert_eq!(fixture.setting::<[u8; 3]>("fill"), FILL_RGB);
    let rgb = fixture.bytes("in.image");
    let picture = Picture::new(width, height, &rgb).unwrap();
    let square = Frame::new(width, height, side).unwrap();
    assert_eq!((square.side, square.pad_x.max(square.pad_y)), (side, offset));
    assert_eq!(resize_square(picture, &square), fixture.bytes("out.padded"));

    let mask = Shape::Mask(Mask { width, height, pixels: fixture.bytes("in.mask") });
    assert_eq!(mask.to_input(&square), fixture.bytes("out.mask_square"));
    for crop in fixture.setting::<Vec<u32>>("crops") {
        let frame = Frame::new(width, height, crop).unwrap();
        let resized = resize_square(picture, &frame);
        assert_eq!(resized, fixture.bytes(&format!("out.resized_u8.{crop}")), "crop {crop}");
        let config =
            Preprocess { size: crop, mean: fixture.setting("mean"), std: fixture.setting("std") };
        assert_eq!(config, Preprocess::clip(crop));
        let (used, values) = config.apply(picture).unwrap();
        assert_eq!(used, frame);
        // The bytes are equal, so only the rounding of the normalisation is left.
        close(&values, &fixture.floats(&format!("out.pixel_values.{crop}")), 1e-6).unwrap();
        assert_eq!(frame.valid(), fixture.bytes(&format!("out.pixel_mask.{crop}")), "crop {crop}");
        let label = mask.to_input(&frame);
        assert_eq!(label, fixture.bytes(&format!("out.mask_label.{crop}")), "crop {crop}");
    }
    check_geometry(&fixture, &square);
    check_prompts(&fixture, &square);
}

fn check_geometry(fixture: &Fixture, frame: &Frame) {
    let points: Vec<[f32; 2]> = rows(&fixture.floats("in.points_px"));
    let unit: Vec<[f32; 2]> = points.iter().map(|&p| frame.point_to_unit(p)).collect();
    close(unit.as_flattened(), &fixture.floats("out.points_norm"), 1e-5).unwrap();
    let back: Vec<[f32; 2]> = unit.iter().map(|&p| frame.point_to_px(p)).collect();
    close(back.as_flattened(), &fixture.floats("out.points_back"), 1e-5).unwrap();

    let corners: Vec<[f32; 4]> = rows(&fixture.floats("in.boxes_px"));
    let xywh = |&[x0, y0, x1, y1]: &[f32; 4]| [x0, y0, x1 - x0, y1 - y0];
    let unit: Vec<[f32; 4]> = corners.iter().map(|b| frame.box_to_unit(xywh(b))).collect();
    let unit_corners: Vec<[f32; 4]> = unit
        .iter()
        .map(|&[cx, cy, w, h]| [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0])
        .collect();
    close(unit_corners.as_flattened(), &fixture.floats("out.boxes_norm_exact"), 1e-5).unwrap();
    let back: Vec<[f32; 4]> = unit
        .iter()
        .map(|&b| {
            let [x, y, w, h] = frame.box_to_px(b);
            [x, y, x + w, y + h]
        })
        .collect();
    close(back.as_flattened(), &fixture.floats("out.boxes_back_exact"), 1e-5).unwrap();
    // With the reference's rounding. It is to 3 decimals, so the next value is far away.
    let digits = BoxDigits::Thousandths;
    let rounded: Vec<[f64; 4]> =
        corners.iter().map(|b| BoxDigits::corners(frame, xywh(b))).collect();
    let rounded: Vec<f32> = rounded.as_flattened().iter().map(|&v| v as f32).collect();
    close(&rounded, &fixture.floats("out.boxes_norm"), 1e-6).unwrap();
    let labels: Vec<[f32; 4]> = corners.iter().map(|b| digits.label(frame, xywh(b))).collect();
    close(labels.as_flattened(), &fixture.floats("out.labels_cxcywh"), 1e-6).unwrap();
    let back: Vec<[f32; 4]> = labels
        .iter()
        .map(|&b| {
            let [x, y, w, h] = digits.answer(frame, b);
            [x, y, x + w, y + h]
        })
        .collect();
    close(back.as_flattened(), &fixture.floats("out.boxes_back_ref"), 1e-5).unwrap();
    let exact: Vec<[f32; 4]> =
        corners.iter().map(|b| BoxDigits::Exact.label(frame, xywh(b))).collect();
    assert_eq!(exact, unit);

    let size: [usize; 2] = fixture.shape("in.prob_map").try_into().unwrap();
    let map = fixture.floats("in.prob_map");
    let thresholds = fixture.keys().into_iter().filter(|k| k.starts_with("out.mask_back.t"));
    for key in thresholds {
        let threshold = key["out.mask_back.t".len()..].parse().unwrap();
        let mask = frame.mask_to_px(&map, size, threshold).unwrap();
        assert_eq!(mask.pixels, fixture.bytes(&key), "{key}");
    }
}

/// The published prompt shapes, given in the unit square, also where they reach into the padding.
fn check_prompts(fixture: &Fixture, square: &Frame) {
    let side = f64::from(square.side);
    let place = |values: &[f32]| [f64::from(values[0]) * side, f64::from(values[1]) * side];
    let corners = fixture.floats("in.prompt_box_norm");
    let from = place(&corners[..2]).map(f64::trunc);
    let filled = Shape::Box { from, to: place(&corners[2..]).map(f64::trunc) };
    let radius = f64::from(fixture.setting::<u32>("point_radius"));
    let disc = Shape::Disc { centre: place(&fixture.floats("in.prompt_point_norm")), radius };
    for (name, shape) in [("prompt_box", filled), ("prompt_point", disc)] {
        let prefix = format!("out.{name}.");
        let keys: Vec<_> = fixture.keys().into_iter().filter(|k| k.starts_with(&prefix)).collect();
        assert!(keys.len() > 1, "{name}");
        for key in keys {
            let size = fixture.shape(&key)[0] as u32;
            let frame = Frame { size, ..*square };
            assert_eq!(shape.to_input(&frame), fixture.bytes(&key), "{key}");
        }
    }
}

#[test]
fn landscape_agrees_with_the_reference() {
    check("preprocess_landscape");
}

#[test]
fn portrait_agrees_with_the_reference() {
    check("preprocess_portrait");
}

#[test]
fn square_agrees_with_the_reference() {
    check("preprocess_square");
}

/// Answers of Pillow 13.0.0 for grey pictures whose pixel `i` is `(37 i² + 11 i) mod 256`.
#[test]
fn small_pictures_are_resized_as_pillow_does() {
    type Case = ([usize; 2], [usize; 2], &'static [u8]);
    let cases: [Case; 4] = [
        ([5, 4], [3, 2], &[112, 127, 112, 172, 146, 214]),
        (
            [3, 2],
            [7, 5],
            &[
                0, 0, 10, 40, 99, 155, 178, 7, 11, 25, 53, 109, 162, 184, 55, 58, 66, 86, 135, 182,
                201, 102, 104, 106, 119, 160, 201, 218, 120, 122, 121, 132, 170, 208, 224,
            ],
        ),
        ([40, 3], [4, 3], &[123, 169, 148, 136, 124, 107, 120, 90, 133, 91, 150, 141]),
        ([1, 1], [3, 2], &[0; 6]),
    ];
    for (from, to, expected) in cases {
        let picture: Vec<u8> =
            (0..from[0] * from[1]).map(|i| ((i * i * 37 + i * 11) % 256) as u8).collect();
        let resized = resize_bicubic::<1>(from, to, |y, row| {
            row.copy_from_slice(&picture[y * from[0]..][..from[0]]);
        });
        assert_eq!(resized, expected, "{from:?} to {to:?}");
    }
}

/// The same by its bilinear filter.
#[test]
fn small_pictures_are_resized_bilinearly_as_pillow_does() {
    type Case = ([usize; 2], [usize; 2], &'static [u8]);
    let cases: [Case; 4] = [
        ([5, 4], [3, 2], &[116, 127, 119, 168, 145, 206]),
        (
            [3, 2],
            [7, 5],
            &[
                0, 7, 27, 48, 100, 153, 170, 11, 17, 36, 56, 106, 158, 174, 55, 60, 73, 86, 131,
                176, 191, 99, 102, 109, 116, 156, 194, 208, 110, 112, 118, 124, 162, 199, 212,
            ],
        ),
        ([40, 3], [4, 3], &[128, 164, 147, 139, 124, 109, 117, 93, 132, 95, 148, 139]),
        ([1, 1], [3, 2], &[0, 0, 0, 0, 0, 0]),
    ];
    for (from, to, expected) in cases {
        let picture: Vec<u8> =
            (0..from[0] * from[1]).map(|i| ((i * i * 37 + i * 11) % 256) as u8).collect();
        let resized = resize_bilinear::<1>(from, to, |y, row| {
            row.copy_from_slice(&picture[y * from[0]..][..from[0]]);
        });
        assert_eq!(resized, expected, "{from:?} to {to:?}");
    }
}

#[test]
fn resizing_keeps_flat_pictures_and_the_same_size() {
    for (from, to) in [([7, 5], [3, 9]), ([4, 4], [64, 1]), ([300, 2], [17, 30])] {
        let resized = resize_bicubic::<3>(from, to, |_, row| {
            row.as_chunks_mut().0.fill([0, 200, 255]);
        });
        assert_eq!(resized.len(), to[0] * to[1] * 3);
        assert!(resized.as_chunks().0.iter().all(|p| *p == [0, 200, 255]), "{from:?} {to:?}");
    }
    let picture: Vec<u8> = (0..6 * 5).map(|i| (i * 83 % 251) as u8).collect();
    let same = resize_bicubic::<1>([6, 5], [6, 5], |y, row| {
        row.copy_from_slice(&picture[y * 6..][..6]);
    });
    assert_eq!(same, picture);
}

#[test]
fn boxes_points_and_keypoints_come_back() {
    for (width, height) in [(640, 480), (481, 640), (333, 333), (1, 997), (16384, 3)] {
        let frame = Frame::new(width, height, 336).unwrap();
        let (w, h) = (width as f32, height as f32);
        let tolerance = 4.0 * f32::EPSILON * w.max(h);
        for (a, b) in [(0.0, 0.0), (0.13, 0.71), (1.0, 1.0)] {
            let point = [a * w, b * h];
            let unit = frame.point_to_unit(point);
            assert!(unit.iter().all(|v| (0.0..=1.0).contains(v)), "{unit:?}");
            let back = frame.point_to_px(unit);
            assert!((back[0] - point[0]).abs() <= tolerance, "{back:?} {point:?}");
            assert!((back[1] - point[1]).abs() <= tolerance, "{back:?} {point:?}");

            let keypoints = [[point[0], point[1], 2.0], [0.0, 0.0, 0.0]];
            let back = frame.keypoints_to_px(&frame.keypoints_to_unit(&keypoints));
            close(back.as_flattened(), keypoints.as_flattened(), tolerance).unwrap();
            assert_eq!([back[0][2], back[1][2]], [2.0, 0.0]);

            let rectangle = [a * w * 0.5, b * h * 0.5, w * 0.3, h * 0.4];
            let back = frame.box_to_px(frame.box_to_unit(rectangle));
            close(&back, &rectangle, tolerance).unwrap();
        }
        // The centre of the picture is the centre of the square, up to the odd padding pixel.
        let [x, y] = frame.point_to_unit([w / 2.0, h / 2.0]);
        let half = 0.5 / frame.side as f32 + 1e-6;
        assert!((x - 0.5).abs() <= half && (y - 0.5).abs() <= half);
    }
    let frame = Frame::new(100, 50, 64).unwrap();
    assert_eq!(frame.clip_box([-10.0, 40.0, 30.0, 30.0]), [0.0, 40.0, 20.0, 10.0]);
    assert_eq!(frame.clip_box([120.0, 10.0, 30.0, 30.0])[2], 0.0);
}

#[test]
fn masks_come_back_through_the_square() {
    for (width, height) in [(90, 60), (60, 90), (64, 64), (31, 7)] {
        let mut mask = Mask::zeros(width, height);
        for (i, pixel) in mask.pixels.iter_mut().enumerate() {
            let (x, y) = (i as u32 % width, i as u32 / width);
            *pixel = u8::from(x > width / 4 && y < height / 2);
        }
        let frame = Frame::new(width, height, width.max(height)).unwrap();
        let drawn = Shape::Mask(mask.clone());
        let map: Vec<f32> = drawn.to_input(&frame).into_iter().map(f32::from).collect();
        let side = frame.side as usize;
        assert_eq!(frame.mask_to_px(&map, [side, side], 0.5).unwrap(), mask);
        // From a square of half the side, only pixels at the border may differ.
        let small = Frame::new(width, height, width.max(height) / 2).unwrap();
        let map: Vec<f32> = drawn.to_input(&small).into_iter().map(f32::from).collect();
        let size = small.size as usize;
        let back = small.mask_to_px(&map, [size, size], 0.5).unwrap();
        let wrong = back.pixels.iter().zip(&mask.pixels).filter(|(a, b)| a != b).count() as u32;
        assert!(wrong <= 2 * (width + height), "{wrong} of {width}x{height}");
    }
}

#[test]
fn maps_are_interpolated_between_cell_centres() {
    let frame = Frame::new(4, 2, 8).unwrap();
    // Two columns 0 and 1 over 4 px: quarters between the centres, flat beyond them.
    let values = frame.map_to_px(&[0.0, 1.0, 0.0, 1.0], [2, 2]).unwrap();
    assert_eq!(values, [0.0, 0.25, 0.75, 1.0, 0.0, 0.25, 0.75, 1.0]);
    // Two rows: the picture lies in the middle half of the square.
    let values = frame.map_to_px(&[0.0, 0.0, 1.0, 1.0], [2, 2]).unwrap();
    assert_eq!(values, [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75]);
}

#[test]
fn shares_add_up_to_the_area() {
    let (width, height) = (13, 7);
    let set = |x: usize, y: usize| u8::from((x * 5 + y * 3).is_multiple_of(4));
    let area: usize = (0..width * height).map(|i| usize::from(set(i % width, i / width))).sum();
    for grid in [[3, 4], [7, 13], [20, 30], [1, 1]] {
        let shares = share_of_cells([width, height], grid, |y, row| {
            for (x, value) in row.iter_mut().enumerate() {
                *value = set(x, y);
            }
        });
        let cell = (width * height) as f32 / (grid[0] * grid[1]) as f32;
        let total: f32 = shares.iter().sum::<f32>() * cell;
        assert!((total - area as f32).abs() < 1e-3, "{grid:?}: {total} of {area}");
        assert!(shares.iter().all(|s| (0.0..=1.0).contains(s)));
        if grid == [height, width] {
            let exact: Vec<f32> =
                (0..width * height).map(|i| f32::from(set(i % width, i / width))).collect();
            close(&shares, &exact, 1e-6).unwrap();
        }
    }
}

#[test]
fn bad_input_is_named() {
    let side = |w, h| Picture::new(w, h, &[]).unwrap_err();
    assert_eq!(side(0, 5), ImageError::Side { width: 0, height: 5 });
    assert!(matches!(side(MAX_SIDE_PX + 1, 5), ImageError::Side { .. }));
    assert!(matches!(side(u32::MAX, u32::MAX), ImageError::Side { .. }));
    assert_eq!(
        Picture::new(2, 2, &[0; 11]).unwrap_err(),
        ImageError::Length { what: "picture bytes", expected: 12, found: 11 }
    );
    let pixels = [0; 12];
    let picture = Picture::new(2, 2, &pixels).unwrap();
    let size = |size| Preprocess::clip(size).apply(picture).unwrap_err();
    assert_eq!(size(0), ImageError::Size { size: 0 });
    assert!(matches!(size(u32::MAX), ImageError::Size { .. }));
    let flat = Preprocess { std: [1.0, 0.0, 1.0], ..Preprocess::clip(4) };
    assert!(matches!(flat.apply(picture).unwrap_err(), ImageError::Normalisation { .. }));
    let nan = Preprocess { mean: [f32::NAN; 3], ..Preprocess::clip(4) };
    assert!(matches!(nan.apply(picture).unwrap_err(), ImageError::Normalisation { .. }));

    let frame = Frame::new(4, 3, 8).unwrap();
    let sam = SamFrame::new(4, 3, 8).unwrap();
    assert!(matches!(
        sam.mask_logits(&Mask::zeros(3, 4), 2).unwrap_err(),
        ImageError::Mask { width: 3, expected_width: 4, .. }
    ));
    let short = Mask { width: 4, height: 3, pixels: vec![1; 5] };
    assert!(matches!(sam.mask_logits(&short, 2).unwrap_err(), ImageError::Length { .. }));
    for (map, shape) in [(vec![], [0, 5]), (vec![1.0], [0, 5]), (vec![1.0; 5], [2, 3])] {
        assert!(matches!(frame.map_to_px(&map, shape).unwrap_err(), ImageError::Length { .. }));
    }
    // Values that are no numbers set nothing.
    assert_eq!(frame.mask_to_px(&[f32::NAN], [1, 1], 0.5).unwrap().area(), 0);
}

#[test]
fn a_strip_of_the_largest_side_needs_no_square_in_memory() {
    let rgb = vec![90; MAX_SIDE_PX as usize * 3];
    let picture = Picture::new(MAX_SIDE_PX, 1, &rgb).unwrap();
    let (frame, values) = Preprocess::clip(32).apply(picture).unwrap();
    assert_eq!((frame.pad_x, frame.pad_y), (0, (MAX_SIDE_PX - 1) / 2));
    assert_eq!(values.len(), 3 * 32 * 32);
}

/// How long a photo takes; run with `--ignored --nocapture` on a quiet machine.
#[test]
#[ignore = "a measurement"]
fn time_of_a_photo() {
    let rgb: Vec<u8> =
        (0..1024 * 768 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let picture = Picture::new(1024, 768, &rgb).unwrap();
    for size in [224, 336, 512] {
        let start = std::time::Instant::now();
        for _ in 0..20 {
            std::hint::black_box(Preprocess::clip(size).apply(picture).unwrap());
        }
        println!("1024x768 to {size}: {:.1} ms", start.elapsed().as_secs_f64() * 50.0);
    }
}
