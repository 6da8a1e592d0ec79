//! Distances: NYU Depth v2 and KITTI.
//!
//! - NYU in the form of BTS, <https://github.com/cleinc/bts>: `SCENE/rgb_NUMBER.jpg` and
//!   `SCENE/sync_depth_NUMBER.png`, whose 16-bit values are millimetres.
//! - KITTI, <https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_prediction>:
//!   `SPLIT/DRIVE/proj_depth/groundtruth/image_02/NUMBER.png`, whose 16-bit values are 256 to the
//!   metre, and the raw pictures `DATE/DRIVE/image_02/data/NUMBER.png`.
//!
//! 0 is an unknown distance in both, as in records.

use super::Reader;
use super::folder::{Folder, below, name_of, stem_of};
use super::sink::Sink;
use super::talk::{Talk, Talks};
use crate::error::DataError;
use crate::wording::{Family, Values};
use refvlm_record::{AnswerPart, Task, Unit};
use std::path::{Path, PathBuf};

/// Folders that are looked into to know the layout.
const MOST_LOOKED: usize = 64;
const NYU: &str = "sync_depth_";
const KITTI: &str = "proj_depth";

pub(super) static READER: Reader = Reader {
    name: "depth",
    reads: "NYU Depth v2, KITTI: the distance of every pixel",
    page: "https://github.com/cleinc/bts",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    let inner = |path: &Path| Folder::open(path).ok();
    let children: Vec<Folder> = folder.folders().take(MOST_LOOKED).filter_map(inner).collect();
    let grandchildren = children.iter().flat_map(Folder::folders);
    let nyu = |folder: &Folder| folder.files().any(|path| name_of(path).starts_with(NYU));
    let kitti = |folder: &Folder| folder.has(KITTI);
    let has = |folder: &Folder| nyu(folder) || kitti(folder);
    let known = has(folder)
        || children.iter().any(has)
        || grandchildren.take(MOST_LOOKED).filter_map(inner).any(|folder| has(&folder));
    let mut files = if known { below(&folder.path, 5) } else { Vec::new() };
    files.retain(|path| is_kitti(path) || is_nyu(path));
    files
}

fn is_nyu(path: &Path) -> bool {
    name_of(path).starts_with(NYU)
}

fn is_kitti(path: &Path) -> bool {
    path.iter().any(|part| part == KITTI)
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let talks = Talks::open(folder, sink.wanted)?;
    files.iter().try_for_each(|path| {
        let Some(entry) = sink.entry() else { return Ok(()) };
        sink.talk(entry, path, "map", talk(&talks, path))
    })
}

fn talk(talks: &Talks, path: &Path) -> Result<Talk, String> {
    let (picture, metres_per_unit) = match is_nyu(path) {
        true => {
            let number = stem_of(path);
            let number = number.strip_prefix(NYU).unwrap_or_default();
            let picture = path.with_file_name(format!("rgb_{number}.jpg"));
            let found = picture.is_file().then_some(picture);
            (found.ok_or("has no picture rgb_ beside it; restore it"), 1e-3)
        }
        false => (kitti_picture(talks, path).ok_or("its raw picture is missing"), 1.0 / 256.0),
    };
    let word = talks.pictures.word(path);
    let mut talk = talks.begin(&word, picture.map_err(String::from))?;
    if talks.pictures.size(path)? != talk.size() {
        return Err("map and picture have different sizes; restore both".into());
    }
    let target = talk.distances(path.into(), metres_per_unit);
    let question = talk.ask(Family::Depth, &Values::default());
    let (concept, unit, targets) = ("scene".into(), Unit::Depth, vec![target]);
    let triplet = AnswerPart::Triplet { concept, unit, targets };
    talk.turn(Task::Depth, question, vec![triplet, AnswerPart::Text(".".into())]);
    Ok(talk)
}

/// `DATE_drive_NUMBER_sync` lies in `DATE` among the raw pictures.
fn kitti_picture(talks: &Talks, path: &Path) -> Option<PathBuf> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let at = parts.iter().rposition(|part| part == KITTI)?;
    let drive = parts.get(at.checked_sub(1)?)?;
    let (camera, name) = (parts.get(at + 2)?, parts.last()?);
    let (date, _) = drive.split_once("_drive_")?;
    let found = |name: String| talks.pictures.find(&name).ok();
    let name = format!("{drive}/{camera}/data/{name}");
    found(format!("{date}/{name}")).or_else(|| found(name))
}
