//! Recipes and shards: the same bytes at every time, after any interruption, in any number of
//! threads; parts that join; what is left out and why.

use crate::support;
use crate::support::Folder;
use refvlm_data::RecordSet;
use refvlm_data::build::{Build, Part};
use refvlm_data::recipe::Recipe;
use refvlm_data::shards::{self, Index, PartIndex};
use refvlm_record::Record;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Photos with labels, and questions: with some that cannot be used.
const PHOTOS: u32 = 40;
const QUESTIONS: u32 = 1500;

fn sources() -> Folder {
    let folder = Folder::new("sources");
    let photos = folder.0.join("photos");
    fs::create_dir_all(photos.join("images")).unwrap();
    let thing = |id: u32, image: u32, class: u32| {
        json!({ "id": id, "image_id": image, "category_id": class, "bbox": [4, 4, 12, 10],
            "segmentation": [[4, 4, 16, 4, 16, 14, 4, 14]] })
    };
    let (mut images, mut things) = (Vec::new(), Vec::new());
    for k in 0..PHOTOS {
        let name = format!("photo {k}.png");
        let mut picture = support::picture(40, 30);
        picture.put_pixel(0, 0, image::Rgb([k as u8, 0, 0]));
        picture.save(photos.join("images").join(&name)).unwrap();
        images.push(json!({ "id": k, "file_name": name, "width": 40, "height": 30 }));
        things.push(thing(2 * k, k, k % 2));
        things.push(thing(2 * k + 1, k, 7));
    }
    let file = json!({ "images": images, "annotations": things,
        "categories": [{ "id": 0, "name": "dog" }, { "id": 1, "name": "cat" }] });
    fs::write(photos.join("instances.json"), file.to_string()).unwrap();
    fs::write(photos.join("source.json"), "{\"licence\": \"CC0-1.0\", \"complete_for\": [\"*\"]}")
        .unwrap();
    let asked = folder.0.join("asked");
    fs::create_dir_all(&asked).unwrap();
    for k in 0..3 {
        let mut picture = support::picture(20, 10);
        picture.put_pixel(0, 0, image::Rgb([k * 80, 9, 9]));
        picture.save(asked.join(format!("{k}.jpg"))).unwrap();
    }
    let line = |k: u32| {
        let label = if k % 100 == 99 { "maybe" } else { ["yes", "no"][k as usize % 2] };
        json!({ "question_id": k, "image": format!("{}.jpg", k % 3), "text": "Is there a dog?",
            "label": label })
    };
    let lines: Vec<String> = (0..QUESTIONS).map(|k| line(k).to_string()).collect();
    fs::write(asked.join("coco_pope_random.json"), lines.join("\n")).unwrap();
    folder
}

const RECIPE: &str = r#"
name = "test"
seed = 7
shards = { megabytes = 1 }
[mix]
order = "interleave"
[[source]]
folder = "photos"
split = "all"
per_picture = 6
repeat = 3
[[source]]
folder = "asked"
split = "all"
weight = 4
"#;

fn recipe(text: &str, sources: &Path) -> Recipe {
    let path = sources.join("recipe.toml");
    fs::write(&path, text).unwrap();
    Recipe::read(&path).unwrap()
}

fn build(text: &str, data: &Path, part: &str, out: &Path) -> PartIndex {
    let part: Part = part.parse().unwrap();
    let build = Build::open(recipe(text, data), data, part).unwrap();
    shards::write(build, data, out, &mut |_| {}).unwrap()
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
    };
    entries.filter(|path| path.is_file()).map(file).collect()
}

fn assert_same(a: &Path, b: &Path, what: &str) {
    let (a, b) = (files(a), files(b));
    let names: Vec<_> = a.keys().collect();
    assert_eq!(names, b.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{what}: {name} differs");
    }
}

/// The members of all shards.
fn members(out: &Path) -> Vec<(String, Vec<u8>)> {
    let mut members = Vec::new();
    for (name, bytes) in files(out).into_iter().filter(|(name, _)| name.ends_with(".tar")) {
        let mut archive = tar::Archive::new(&bytes[..]);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let member = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert!(!member.contains('/'), "{name}: {member}");
            members.push((member, content));
        }
    }
    members
}

fn records(out: &Path) -> Vec<Record> {
    let json = members(out).into_iter().filter(|(name, _)| name.ends_with(".json"));
    json.map(|(_, bytes)| Record::from_json(std::str::from_utf8(&bytes).unwrap()).unwrap())
        .collect()
}

#[test]
fn shards_have_the_same_bytes_for_any_number_of_threads() {
    let (data, out) = (sources(), Folder::new("out"));
    let first = out.0.join("1");
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let folder = out.0.join(threads.to_string());
        let part = pool.install(|| build(RECIPE, &data.0, "0/1", &folder));
        assert!(part.shards.len() >= 4, "{} shards", part.shards.len());
        assert_same(&first, &folder, &format!("{threads} threads"));
    }
    // Everything is there once, and what is left out has its reason.
    let index: Index =
        serde_json::from_slice(&fs::read(first.join("index.json")).unwrap()).unwrap();
    let records = records(&first);
    assert_eq!(index.records, records.len() as u64);
    let ids: BTreeSet<&String> = records.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), records.len());
    for source in &index.sources {
        let tally = &source.tally;
        assert_eq!(tally.read, tally.kept + tally.dropped.values().sum::<u64>(), "{source:?}");
    }
    let [photos, asked] = &index.sources[..] else { panic!("{:?}", index.sources) };
    assert_eq!((asked.tally.read, asked.tally.dropped["faulty"]), (1500, 15));
    assert_eq!(photos.tally.read, u64::from(3 * PHOTOS));
    // Each photo has a label of a category that is not there.
    assert_eq!(photos.tally.labels_left_out, u64::from(3 * PHOTOS));
    assert!(photos.tally.faults[0].contains("category_id names no category"));
    assert_eq!(index.licences["CC0-1.0"], photos.tally.records);
    for shard in &index.shards {
        let file = fs::File::open(first.join(&shard.file)).unwrap();
        assert_eq!(refvlm_files::files::sha256(file).unwrap(), shard.sha256);
    }
}

#[test]
fn pictures_are_inside_with_the_bytes_of_the_source() {
    let (data, out) = (sources(), Folder::new("out"));
    build(RECIPE, &data.0, "0/1", &out.0);
    let members: BTreeMap<String, Vec<u8>> = members(&out.0).into_iter().collect();
    let originals: BTreeSet<Vec<u8>> = ["photos/images", "asked"]
        .iter()
        .flat_map(|folder| files(&data.0.join(folder)).into_values())
        .collect();
    let mut pictures = 0;
    for (name, bytes) in &members {
        if let Some(key) = name.strip_suffix(".json") {
            let record = Record::from_json(std::str::from_utf8(bytes).unwrap()).unwrap();
            assert!(record.image.path.starts_with(&format!("{key}.")), "{name}");
            assert!(originals.contains(&members[&record.image.path]), "{name}");
            pictures += 1;
        }
    }
    assert_eq!(members.len(), 2 * pictures);
    // By reference there are records only, and each says where its picture is.
    let text = RECIPE.replace("megabytes = 1", "megabytes = 1, pictures = \"reference\"");
    let referred = Folder::new("referred");
    build(&text, &data.0, "0/1", &referred.0);
    let records = records(&referred.0);
    assert_eq!(records.len(), pictures);
    assert!(records.iter().all(|record| data.0.join(&record.image.path).is_file()));
}

#[test]
fn a_build_that_is_dropped_after_any_batch_goes_on() {
    let (data, out) = (sources(), Folder::new("out"));
    let unbroken = out.0.join("unbroken");
    build(RECIPE, &data.0, "0/1", &unbroken);
    let batches = 8 + (QUESTIONS + 3 * PHOTOS) / 64;
    let broken = out.0.join("broken");
    for stop in 1..=batches {
        let _ = fs::remove_dir_all(&broken);
        // Stopped at every so many batches, until it is done.
        let mut runs = 0;
        loop {
            let mut left = stop;
            let build = Build::open(recipe(RECIPE, &data.0), &data.0, Part::WHOLE).unwrap();
            let mut count = |_| {
                left -= 1;
                assert!(left > 0, "stopped on purpose");
            };
            let run = || shards::write(build, &data.0, &broken, &mut count).unwrap();
            runs += 1;
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(_) => break,
                // Less than a shard in a run is never done.
                Err(_) if runs > 40 => break,
                Err(_) => {
                    let half = files(&broken).into_keys().filter(|name| name.ends_with(".tmp"));
                    assert_eq!(half.count(), 0);
                }
            }
        }
        if runs <= 40 {
            assert_same(&unbroken, &broken, &format!("stopped after {stop} batches"));
        } else {
            assert!(stop < 12, "a run of {stop} batches never comes to an end");
        }
    }
}

/// Builds what the environment says: the child of the next test.
#[test]
fn child() {
    let Ok(out) = std::env::var("REFVLM_TEST_BUILD") else { return };
    let (data, out) = out.split_once('|').unwrap();
    build(RECIPE, Path::new(data), "0/1", Path::new(out));
}

#[test]
fn fifty_killed_builds_equal_an_unbroken_one() {
    let (data, out) = (sources(), Folder::new("out"));
    let unbroken = out.0.join("unbroken");
    let start = Instant::now();
    build(RECIPE, &data.0, "0/1", &unbroken);
    let whole = start.elapsed() + Duration::from_millis(20);
    let broken = out.0.join("broken");
    let child = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "shards::child"])
            .env("REFVLM_TEST_BUILD", format!("{}|{}", data.0.display(), broken.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut kills, mut tries) = (0, 0);
    while kills < 50 {
        tries += 1;
        assert!(tries < 500, "only {kills} of {tries} were killed before they were done");
        let mut running = child();
        // Every delay up to the time of a whole build, in an order that looks like chance.
        std::thread::sleep(whole * (tries * 37 % 100) / 100);
        let done = running.try_wait().unwrap().is_some();
        let _ = running.kill();
        running.wait().unwrap();
        if done {
            assert_same(&unbroken, &broken, &format!("after {kills} kills"));
            fs::remove_dir_all(&broken).unwrap();
        } else {
            kills += 1;
            let shards = files(&unbroken);
            let whole = |(name, bytes): (String, Vec<u8>)| {
                !name.ends_with(".tar") || shards[&name] == bytes
            };
            assert!(!broken.exists() || files(&broken).into_iter().all(whole), "half a shard");
        }
    }
    assert!(child().wait().unwrap().success());
    assert_same(&unbroken, &broken, "after the last kill");
    println!("{kills} kills in {tries} runs");
}

#[test]
fn parts_join_by_their_indexes_and_hold_everything_once() {
    let (data, out) = (sources(), Folder::new("out"));
    let text = RECIPE.replace("weight = 4", "weight = 4\ncap = 1000");
    let (whole, parts) = (out.0.join("whole"), out.0.join("parts"));
    build(&text, &data.0, "0/1", &whole);
    for part in ["2/3", "0/3"] {
        build(&text, &data.0, part, &parts);
        assert!(!parts.join("index.json").exists());
    }
    let error = shards::join(&parts).unwrap_err().to_string();
    assert!(error.contains("part 1/3 is not done"), "{error}");
    build(&text, &data.0, "1/3", &parts);
    let index: Index =
        serde_json::from_slice(&fs::read(parts.join("index.json")).unwrap()).unwrap();
    assert_eq!(index, shards::join(&parts).unwrap());
    let asked = &index.sources[1].tally;
    assert_eq!(asked.records, 1000);
    let of_photos = |out: &Path| -> BTreeSet<String> {
        let records = records(out).into_iter().filter(|record| record.source == "photos");
        records.map(|record| serde_json::to_string(&(&record.id, &record.turns)).unwrap()).collect()
    };
    assert_eq!(of_photos(&whole), of_photos(&parts));
    // Another recipe does not mix with them.
    let build = Build::open(recipe(RECIPE, &data.0), &data.0, "1/3".parse().unwrap()).unwrap();
    let error = shards::write(build, &data.0, &parts, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("another recipe"), "{error}");
}

#[test]
fn mixing_follows_weights_and_totals() {
    let data = sources();
    let order = |text: &str| -> Vec<String> {
        let out = Folder::new("out");
        build(text, &data.0, "0/1", &out.0);
        records(&out.0).into_iter().map(|record| record.source).collect()
    };
    let count = |sources: &[String], name: &str| sources.iter().filter(|s| *s == name).count();
    let mixed = order(RECIPE);
    // An entry of the photos is six records, one of the questions one: 6 to 4 at the beginning.
    let share = count(&mixed[..400], "photos") as f64 / 400.0;
    assert!((0.5..0.7).contains(&share), "{share}");
    let one_after_other = order(&RECIPE.replace("interleave", "concatenate"));
    let border = one_after_other.iter().position(|source| source == "asked").unwrap();
    assert_eq!(count(&one_after_other[border..], "photos"), 0);
    assert_eq!(one_after_other.len(), mixed.len());
    let first = order(&RECIPE.replace("\"interleave\"", "\"interleave\"\nuntil = \"first\""));
    assert!(first.len() < mixed.len() && first.len() > 64, "{}", first.len());
    let portions = order(&RECIPE.replace("\"interleave\"", "\"portions\"\ntotal = 500"));
    assert_eq!((count(&portions, "photos"), count(&portions, "asked")), (100, 400));
}

#[test]
fn pictures_of_evaluation_sets_and_pictures_seen_before_are_left_out() {
    let data = sources();
    let judged = data.0.join("judged");
    fs::create_dir(&judged).unwrap();
    fs::copy(data.0.join("asked/1.jpg"), judged.join("other name.jpg")).unwrap();
    let evaluation = "\n[[evaluation]]\nname = \"judge's set\"\nfolder = \"judged\"\n";
    let tally = |text: &str| {
        let out = Folder::new("out");
        let part = build(text, &data.0, "0/1", &out.0);
        part.sources.into_iter().map(|source| source.tally).collect::<Vec<_>>()
    };
    let text = format!("{RECIPE}{evaluation}");
    let tallies = tally(&text);
    assert_eq!(tallies[0].dropped.len(), 0);
    // A third of those that are not faulty.
    assert_eq!(tallies[1].dropped["its picture is in judge's set"], 495);
    let tallies = tally(&format!("{RECIPE}\n[deduplicate]\nacross = true\n"));
    assert_eq!(tallies[1].kept, 3);
    assert_eq!(tallies[0].kept, u64::from(PHOTOS));
    let missing = text.replace("folder = \"judged\"", "folder = \"nowhere\"");
    let error = Build::open(recipe(&missing, &data.0), &data.0, Part::WHOLE).err().unwrap();
    assert!(error.to_string().contains("no folder for 'judge's set'"), "{error}");
    let skipped = missing.replace("seed = 7", "seed = 7\nmissing = \"skip\"");
    let built = Build::open(recipe(&skipped, &data.0), &data.0, Part::WHOLE).unwrap();
    assert_eq!(built.missing(), ["judge's set"]);
}

#[test]
fn python_reads_shards() {
    let (data, out) = (sources(), Folder::new("out"));
    let part = build(RECIPE, &data.0, "0/1", &out.0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_shards.py");
    let python = std::env::var("REFVLM_PYTHON").unwrap_or_else(|_| "python3".into());
    let shards = part.shards.iter().map(|shard| out.0.join(&shard.file));
    let read = Command::new(python).arg(script).args(shards).output();
    let Ok(read) = read else {
        println!("skipped: there is no Python");
        return;
    };
    let told = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    println!("{}", told.trim());
    let records: u64 = part.shards.iter().map(|shard| shard.records).sum();
    let mut words = told.split_whitespace();
    assert_eq!(words.next(), Some(records.to_string().as_str()), "{told}");
}

#[test]
fn records_of_shards_are_read_in_any_order() {
    let sources = sources();
    // Pictures by reference are below the sources, those inside need nothing.
    in_any_order(RECIPE, &sources.0, Some(&sources.0));
    let inside = RECIPE.replace("megabytes = 1", "megabytes = 1, pictures = \"inside\"");
    in_any_order(&inside, &sources.0, None);
    let nothing = Folder::new("nothing");
    let error = RecordSet::open(&nothing.0, None).unwrap_err().to_string();
    assert!(error.contains("records.jsonl") && error.contains("data shard"), "{error}");
}

fn in_any_order(recipe: &str, sources: &Path, pictures: Option<&Path>) {
    let out = Folder::new("read");
    build(recipe, sources, "0/1", &out.0);
    let set = RecordSet::open(&out.0, pictures).unwrap();
    let index: PartIndex =
        serde_json::from_slice(&fs::read(out.0.join("00000-of-00001.json")).unwrap()).unwrap();
    assert_eq!(set.len() as u64, index.shards.iter().map(|shard| shard.records).sum::<u64>());
    let mut told = BTreeMap::new();
    for shard in &index.shards {
        let mut archive = tar::Archive::new(fs::File::open(out.0.join(&shard.file)).unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if name.ends_with(".json") {
                let record = Record::from_json(std::str::from_utf8(&bytes).unwrap()).unwrap();
                told.insert(told.len(), record);
            }
        }
    }
    for index in (0..set.len()).rev().step_by(7) {
        let record = set.record(index).unwrap();
        assert_eq!(record, told[&index], "{}", set.place(index));
        let picture = set.picture(index, &record).unwrap();
        assert_eq!([picture.width, picture.height], [record.image.width, record.image.height]);
    }
    // A shard whose end is lost is not taken for a short one.
    let first = out.0.join(&index.shards[0].file);
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();
    let cut = RecordSet::open(&first, pictures).and_then(|set| set.record(set.len() - 1));
    assert!(cut.is_err());
}
