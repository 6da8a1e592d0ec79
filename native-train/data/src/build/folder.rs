//! A build as a folder of records, for sets that are small enough to be looked at.

use super::Build;
use super::make::Sample;
use super::tally::State;
use crate::error::DataError;
use crate::photo::decoded;
use refvlm_files::picture::{Picture, decode_picture};
use refvlm_files::records::RecordWriter;
use std::path::{Path, PathBuf};

/// Writes `records.jsonl` with `pictures` and `depth` beside it into a folder, at most `limit`
/// records, and says what became of the sources. `progress` is told the records so far.
///
/// # Errors
/// When a source cannot be read or a file cannot be written.
pub fn write_folder(
    mut build: Build,
    out: &Path,
    limit: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<State, DataError> {
    let mut writer = RecordWriter::create(&out.join("records.jsonl"))?;
    let mut count = 0;
    // Records of one picture follow each other.
    let mut last: Option<(PathBuf, Picture)> = None;
    while count < limit {
        let Some(samples) = build.next_batch()? else { break };
        for sample in samples {
            if count == limit {
                break;
            }
            let known = last.take().filter(|(path, _)| *path == sample.picture);
            let (path, picture) = match known {
                Some(known) => known,
                None => (sample.picture.clone(), picture(&sample)?),
            };
            writer.add(&with_distances(sample)?, &picture)?;
            last = Some((path, picture));
            count += 1;
            progress(count);
        }
    }
    writer.finish()?;
    Ok(build.state())
}

fn picture(sample: &Sample) -> Result<Picture, DataError> {
    let bytes;
    let bytes = match &sample.inside {
        Some(file) => &file.bytes[..],
        None => {
            bytes = crate::bounded::read_bounded(&sample.picture, crate::photo::MAX_FILE_BYTES)?;
            &bytes
        }
    };
    decode_picture(bytes, &sample.picture)
        .map_err(|e| DataError::Picture { path: sample.picture.clone(), problem: e.to_string() })
}

/// The record with its distances in metres, and a name for their file.
fn with_distances(sample: Sample) -> Result<refvlm_record::Record, DataError> {
    let Sample { mut record, depths, .. } = sample;
    let maps = record.targets.iter_mut().filter_map(|target| target.depth.as_mut());
    for (k, (map, file)) in maps.zip(depths).enumerate() {
        let bytes = crate::bounded::read_bounded(&file, crate::photo::MAX_FILE_BYTES)?;
        let grey = decoded(&bytes, &file)?.into_luma16();
        map.metres = grey.iter().map(|&value| f32::from(value) * map.metres_per_unit).collect();
        map.path = format!("depth/{}-{k}.png", record.id);
    }
    Ok(record)
}
