//! How fast dialogues are built, and in how much memory: `cargo run --release -p refvlm-data
//! --example build_speed -- FOLDER [vqa|gqa|coco]... [--inside] [--part=0/64]
//! [--share=0.1]`, or `-- FOLDER --recipe=FILE --data=FOLDER` for any recipe.
//!
//! Writes synthetic sources of the published sizes in the exact layouts into FOLDER (once), builds
//! shards of them beside it, and says dialogues per second of wall time and per second that a core
//! has computed, the largest memory, and bytes. Pictures are referred to unless `--inside` is given.
//!
//! - `vqa`: VQAv2's training part, 443,757 questions with ten answers each about 82,783 pictures;
//! - `gqa`: GQA's balanced training part, 943,000 questions about 72,140 pictures;
//! - `coco`: COCO's training part of 2017, 118,287 photos of 640 x 480 px with 860,001 labels.

use refvlm_data::build::{Build, Part};
use refvlm_data::recipe::Recipe;
use refvlm_data::shards;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

type Outcome = Result<(), Box<dyn Error>>;

/// Names that a file can have on most file systems, with a margin.
const MOST_LINKS: u32 = 30_000;

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("give FOLDER")?;
    let (flags, mut sources): (Vec<String>, Vec<String>) = args.partition(|a| a.starts_with('-'));
    let inside = flags.iter().any(|flag| flag == "--inside");
    let part = flags.iter().find_map(|flag| flag.strip_prefix("--part="));
    let part: Part = part.unwrap_or("0/1").parse()?;
    let share = flags.iter().find_map(|flag| flag.strip_prefix("--share=")).unwrap_or("1");
    let flag = |name: &str| flags.iter().find_map(|flag| flag.strip_prefix(name));
    if let (Some(recipe), Some(data)) = (flag("--recipe="), flag("--data=")) {
        return measure(
            Path::new(recipe),
            Path::new(data),
            &Path::new(&folder).join("shards"),
            part,
        );
    }
    if sources.is_empty() {
        sources = vec!["vqa".into(), "gqa".into()];
    }
    let data = Path::new(&folder).join("data");
    for source in &sources {
        let place = data.join(source);
        if place.exists() {
            continue;
        }
        match source.as_str() {
            "vqa" => vqa(&place)?,
            "gqa" => gqa(&place)?,
            "coco" => coco(&place)?,
            other => return Err(format!("no source '{other}'").into()),
        }
    }
    let mut text = String::from("name = \"speed\"\n[shards]\n");
    writeln!(text, "pictures = \"{}\"", if inside { "inside" } else { "reference" })?;
    for source in &sources {
        writeln!(text, "[[source]]\nfolder = \"{source}\"\nsplit = \"all\"\nshare = {share}")?;
    }
    let recipe = Path::new(&folder).join("recipe.toml");
    fs::write(&recipe, text)?;
    measure(&recipe, &data, &Path::new(&folder).join("shards"), part)
}

/// Builds anew and says how fast.
fn measure(recipe: &Path, data: &Path, out: &Path, part: Part) -> Outcome {
    let _ = fs::remove_dir_all(out);
    let (start, busy) = (Instant::now(), busy_seconds());
    let build = Build::open(Recipe::read(recipe)?, data, part)?;
    let part = shards::write(build, data, out, &mut |_| {})?;
    let (wall, busy) = (start.elapsed().as_secs_f64(), busy_seconds() - busy);
    let records: u64 = part.shards.iter().map(|shard| shard.records).sum();
    let bytes: u64 = part.shards.iter().map(|shard| shard.bytes).sum();
    for source in &part.sources {
        println!("{}: {}", source.name, source.tally);
    }
    println!(
        "{records} records in {} shards of {:.1} MB in all; {wall:.1} s, {busy:.1} s of a core: \
         {:.0} records/s, {:.0} per second of a core; at most {:.0} MB of memory",
        part.shards.len(),
        bytes as f64 / 1e6,
        records as f64 / wall,
        records as f64 / busy,
        peak_megabytes()
    );
    Ok(())
}

/// Small pictures under many names.
fn pictures(folder: &Path, size: [u32; 2], names: impl Iterator<Item = String>) -> Outcome {
    fs::create_dir_all(folder)?;
    let mut last = None;
    for (k, name) in (0u32..).zip(names) {
        let path = folder.join(name);
        match &last {
            Some(last) if k % MOST_LINKS != 0 => fs::hard_link(last, &path)?,
            _ => {
                let [w, h] = size;
                image::RgbImage::from_fn(w, h, |x, y| image::Rgb([x as u8, y as u8, 9]))
                    .save(&path)?;
                last = Some(path);
            }
        }
    }
    Ok(())
}

fn vqa(folder: &Path) -> Outcome {
    let name = |k: u32| format!("COCO_train2014_{k:012}.jpg");
    pictures(&folder.join("images"), [64, 48], (0..82_783).map(name))?;
    let file = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let mut questions = file("v2_OpenEnded_mscoco_train2014_questions.json")?;
    let mut answers = file("v2_mscoco_train2014_annotations.json")?;
    write!(questions, "{{\"info\": {{}}, \"data_subtype\": \"train2014\", \"questions\": [")?;
    write!(answers, "{{\"info\": {{}}, \"annotations\": [")?;
    let ten: Vec<String> = (0..10)
        .map(|k| {
            format!("{{\"answer\": \"net\", \"answer_confidence\": \"yes\", \"answer_id\": {k}}}")
        })
        .collect();
    let ten = ten.join(", ");
    for k in 0..443_757u32 {
        let (comma, picture) = (if k == 0 { "" } else { ", " }, k % 82_783);
        write!(
            questions,
            "{comma}{{\"image_id\": {picture}, \"question\": \"What is this photo taken looking \
             through?\", \"question_id\": {k}}}"
        )?;
        write!(
            answers,
            "{comma}{{\"question_type\": \"what is this\", \"multiple_choice_answer\": \"net\", \
             \"answers\": [{ten}], \"image_id\": {picture}, \"answer_type\": \"other\", \
             \"question_id\": {k}}}"
        )?;
    }
    write!(questions, "]}}")?;
    write!(answers, "]}}")?;
    questions.flush()?;
    Ok(answers.flush()?)
}

fn gqa(folder: &Path) -> Outcome {
    pictures(&folder.join("images"), [64, 48], (0..72_140).map(|k| format!("{k}.jpg")))?;
    let mut file = BufWriter::new(File::create(folder.join("train_balanced_questions.json"))?);
    for k in 0..943_000u32 {
        let comma = if k == 0 { "{" } else { ", " };
        write!(
            file,
            "{comma}\"{k:08}\": {{\"semantic\": [{{\"operation\": \"select\", \"dependencies\": [], \
             \"argument\": \"sky (2486325)\"}}, {{\"operation\": \"verify color\", \
             \"dependencies\": [0], \"argument\": \"dark\"}}], \"entailed\": [\"02930160\"], \
             \"question\": \"Is the sky dark?\", \"imageId\": \"{}\", \"isBalanced\": true, \
             \"groups\": {{\"global\": null, \"local\": \"06-sky_dark\"}}, \"answer\": \"yes\", \
             \"types\": {{\"detailed\": \"verifyAttr\"}}, \"fullAnswer\": \"Yes, the sky is dark.\"}}",
            k % 72_140
        )?;
    }
    write!(file, "}}")?;
    Ok(file.flush()?)
}

fn coco(folder: &Path) -> Outcome {
    pictures(&folder.join("images"), [640, 480], (0..118_287).map(|k| format!("{k:012}.jpg")))?;
    fs::write(folder.join("source.json"), "{\"complete_for\": [\"*\"]}")?;
    let mut file = BufWriter::new(File::create(folder.join("instances.json"))?);
    write!(file, "{{\"categories\": [")?;
    for (k, name) in ["person", "dog", "car", "chair", "cup", "bicycle"].iter().enumerate() {
        let comma = if k == 0 { "" } else { ", " };
        write!(file, "{comma}{{\"id\": {k}, \"name\": \"{name}\"}}")?;
    }
    write!(file, "], \"images\": [")?;
    for k in 0..118_287u32 {
        let comma = if k == 0 { "" } else { ", " };
        write!(
            file,
            "{comma}{{\"id\": {k}, \"file_name\": \"{k:012}.jpg\", \"width\": 640, \"height\": 480}}"
        )?;
    }
    write!(file, "], \"annotations\": [")?;
    for k in 0..860_001u32 {
        let comma = if k == 0 { "" } else { ", " };
        let (x, y, r) = (f64::from(60 + k * 7 % 500), f64::from(60 + k * 13 % 340), 50.0);
        let corners: Vec<String> = (0..20)
            .map(|c| {
                let angle = f64::from(c) / 20.0 * std::f64::consts::TAU;
                format!("{:.2}, {:.2}", x + r * angle.cos(), y + r * angle.sin())
            })
            .collect();
        write!(
            file,
            "{comma}{{\"id\": {k}, \"image_id\": {}, \"category_id\": {}, \"iscrowd\": 0, \
             \"area\": 7725.4, \"bbox\": [{}, {}, 100, 100], \"segmentation\": [[{}]]}}",
            k % 118_287,
            k % 6,
            x - r,
            y - r,
            corners.join(", ")
        )?;
    }
    write!(file, "]}}")?;
    Ok(file.flush()?)
}

/// Seconds that all threads have computed.
fn busy_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    (ticks(12).unwrap_or(0.0) + ticks(13).unwrap_or(0.0)) / 100.0
}

fn peak_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1000.0
}
