//! Writes a sheet of scenes to look at, and says how fast they are drawn.
//!
//! `cargo run --release -p refvlm-scenes --example contact -- SHEET.png [SIDE_PX [COLUMNS ROWS [SEED [boxes]]]]`

use std::error::Error;
use std::time::Instant;

use refvlm_scenes::{SceneOptions, World};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = args.first().ok_or("name the PNG to write")?;
    let number = |i: usize, or: u32| args.get(i).map_or(Ok(or), |a| a.parse::<u32>());
    let (side, columns, rows) = (number(1, 256)?, number(2, 6)?, number(3, 5)?);
    let first = u64::from(number(4, 0)?);
    let labels = args.get(5).is_some_and(|a| a == "boxes");
    let world = World::new()?;
    let options = SceneOptions { side_px: side, ..SceneOptions::default() };
    let mut sheet = image::RgbImage::from_pixel(columns * side, rows * side, image::Rgb([40; 3]));
    let start = Instant::now();
    for i in 0..columns * rows {
        let scene = world.scene(first + u64::from(i), &options);
        let (x0, y0) = (i % columns * side, i / columns * side);
        for (at, pixel) in scene.rgb.as_chunks::<3>().0.iter().enumerate() {
            let (x, y) = (at as u32 % scene.width, at as u32 / scene.width);
            sheet.put_pixel(x0 + x, y0 + y, image::Rgb(*pixel));
        }
        for object in scene.objects.iter().filter(|_| labels) {
            let [x, y, w, h] = object.bbox.map(|v| v as u32);
            for (dx, dy) in (0..w).flat_map(|d| [(d, 0), (d, h - 1)]) {
                sheet.put_pixel(x0 + x + dx, y0 + y + dy, image::Rgb([255, 0, 80]));
            }
            for (dx, dy) in (0..h).flat_map(|d| [(0, d), (w - 1, d)]) {
                sheet.put_pixel(x0 + x + dx, y0 + y + dy, image::Rgb([255, 0, 80]));
            }
            for [x, y, v] in object.keypoints.into_iter().flatten().filter(|k| k[2] > 0.0) {
                let colour = if v == 2.0 { [0, 255, 80] } else { [255, 60, 0] };
                for (dx, dy) in (0..9).map(|d| (d % 3, d / 3)) {
                    let (x, y) = ((x as u32 + dx).max(1) - 1, (y as u32 + dy).max(1) - 1);
                    let (x, y) = (x.min(scene.width - 1), y.min(scene.height - 1));
                    sheet.put_pixel(x0 + x, y0 + y, image::Rgb(colour));
                }
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} pictures/s on one core at {side} px", f64::from(columns * rows) / seconds);
    sheet.save(path)?;
    Ok(())
}
