//! What a folder offers: photos on each side of the border, how many of them support each kind of
//! dialogue, and how fast one core makes views: `cargo run --release -p refvlm-data --example count
//! -- FOLDER`.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::dialogues::dialogue_of;
use refvlm_data::{Collection, Kind, Split, View, WordingSet, judge, pointing, split};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Longest side of the views whose speed is measured.
const VIEW_PX: u32 = 256;
const MEASURED: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give FOLDER")?;
    let start = Instant::now();
    let collection = Collection::open(Path::new(&folder))?;
    println!(
        "{} photos and {} faults, read in {:.1} s",
        collection.photos.len(),
        collection.faults.len(),
        start.elapsed().as_secs_f32()
    );
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    // Photos, photos kept for validation, things, judged things, then each kind.
    let mut rows: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut kinds: BTreeMap<(&str, Kind), usize> = BTreeMap::new();
    for photo in &collection.photos {
        let row = rows.entry(photo.source.name.as_str()).or_default();
        let judged = judge::records(photo, &mut rng);
        row[0] += 1;
        row[1] += usize::from(split::of(photo) == Split::Validation);
        row[2] += photo.things.len();
        row[3] += judged.len();
        for kind in Kind::ALL {
            // What depends on chance gets a few tries.
            let fits =
                (0..4).find_map(|_| dialogue_of(kind, photo, &mut rng, WordingSet::Training));
            if let Some(dialogue) = fits {
                dialogue.record.check()?;
                *kinds.entry((photo.source.name.as_str(), kind)).or_default() += 1;
            }
        }
    }
    println!("source: photos (validation), things, judge's records; photos that support each kind");
    for (source, [photos, kept, things, judged]) in &rows {
        print!("{source}: {photos} ({kept}), {things}, {judged};");
        for kind in Kind::ALL {
            print!(" {kind} {}", kinds.get(&(*source, kind)).copied().unwrap_or(0));
        }
        println!();
    }
    print!("all:");
    for kind in Kind::ALL {
        let count: usize = kinds.iter().filter(|((_, k), _)| *k == kind).map(|(_, n)| n).sum();
        print!(" {kind} {count}");
    }
    println!();
    let step = (collection.photos.len() / MEASURED).max(1);
    let loading = busy_seconds();
    let mut loaded = Vec::new();
    for photo in collection.photos.iter().step_by(step) {
        loaded.push((photo, photo.load()?));
    }
    let count = loaded.len() as f64;
    println!("loading: {:.0} photos/s on one core", count / (busy_seconds() - loading));
    let mut spent = [0.0; 3];
    for (photo, picture) in &loaded {
        let start = busy_seconds();
        let view = View::draw(&mut rng, photo).scaled_to(VIEW_PX);
        let (photo, _) = view.apply(photo, picture);
        spent[0] += busy_seconds() - start;
        let start = busy_seconds();
        let _ = std::hint::black_box(pointing(&photo, usize::MAX, &mut rng));
        spent[1] += busy_seconds() - start;
        let start = busy_seconds();
        let options = refvlm_data::DialogueOptions::default();
        let _ = std::hint::black_box(refvlm_data::dialogues(&photo, &mut rng, &options));
        spent[2] += busy_seconds() - start;
    }
    let [view, point, talk] = spent.map(|s| count / s);
    println!(
        "{VIEW_PX} px on one core, per second: views {view:.0}, pointing {point:.0}, view and \
         pointing {:.0}, dialogues of 4 turns {talk:.0}",
        count / (spent[0] + spent[1])
    );
    Ok(())
}

/// Seconds that this thread has computed, so that what else the machine does is not measured; the
/// clock's where the system does not tell.
fn busy_seconds() -> f64 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| START.elapsed().as_secs_f64(), |nanos| nanos * 1e-9)
}
