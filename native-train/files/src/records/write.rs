//! Record sets, written so that the record file appears last and whole.

use super::{DataError, below, check_size, in_record};
use crate::distance;
use crate::files::{Whole, write_atomic};
use crate::picture::{Picture, PictureError, write_picture};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma};
use refvlm_record::{DepthMap, Record};
use std::collections::HashSet;
use std::io::{self, BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

/// Writes records to a JSON Lines file with pictures and distance maps beside it. The file keeps
/// its old content until [`RecordWriter::finish`]; a writer that is dropped before leaves it.
pub struct RecordWriter {
    path: PathBuf,
    lines: BufWriter<Whole>,
    count: usize,
    written: HashSet<PathBuf>,
}

impl RecordWriter {
    /// Begins the record file at `path`; missing folders are made.
    ///
    /// # Errors
    /// When the folder or the temporary file cannot be made.
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let file = Whole::begin(path);
        let file = file.map_err(|source| DataError::Write { path: path.into(), source })?;
        let lines = BufWriter::new(file);
        Ok(Self { path: path.into(), lines, count: 0, written: HashSet::new() })
    }

    /// Writes a record, its picture as PNG at `record.image.path`, and its distance maps. Records
    /// that name the same picture share it.
    ///
    /// # Errors
    /// When the record is not well-formed, does not fit the picture, or a file cannot be written.
    pub fn add(&mut self, record: &Record, picture: &Picture) -> Result<(), DataError> {
        record.check().map_err(|source| DataError::Record {
            path: self.path.clone(),
            line: self.count + 1,
            source,
        })?;
        let folder = super::folder_of(&self.path).to_path_buf();
        let field = "image.path";
        let target = below(&folder, &record.image.path, &record.id, field)?;
        check_size(record, field, &target, [picture.width, picture.height])?;
        if self.written.insert(target.clone()) {
            write_picture(&target, picture).map_err(|source| in_record(record, field, source))?;
        }
        for (k, depth) in
            record.targets.iter().enumerate().filter_map(|(k, t)| Some((k, t.depth.as_ref()?)))
        {
            self.add_depth(&folder, record, depth, &format!("targets[{k}].depth.path"))?;
        }
        self.count += 1;
        let written = serde_json::to_vec(record).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.lines.write_all(&line)
        });
        written.map_err(|source| DataError::Write { path: self.path.clone(), source })
    }

    fn add_depth(
        &mut self,
        folder: &Path,
        record: &Record,
        depth: &DepthMap,
        field: &str,
    ) -> Result<(), DataError> {
        let path = below(folder, &depth.path, &record.id, field)?;
        let (width, height) = (record.image.width, record.image.height);
        if depth.metres.len() as u64 != u64::from(width) * u64::from(height) {
            let (id, field, found) = (record.id.clone(), field.into(), depth.metres.len());
            return Err(DataError::DepthLength { id, field, found, width, height });
        }
        if !self.written.insert(path.clone()) {
            return Ok(());
        }
        write_depth_png(&path, &depth.metres, [width, height], depth.metres_per_unit)
            .map_err(|source| in_record(record, field, source))
    }

    /// Puts the record file in place.
    ///
    /// # Errors
    /// When it cannot be completed; the old one stays then.
    pub fn finish(self) -> Result<(), DataError> {
        let Self { path, lines, .. } = self;
        let file = lines.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(Whole::finish).map_err(|source| DataError::Write { path, source })
    }
}

/// Writes distances as a 16-bit grey PNG of `[width, height]`, atomically. Unknown distances
/// become 0; known ones are rounded to steps of `metres_per_unit` and kept within 1..=65535.
///
/// # Errors
/// When the length is wrong or writing fails.
pub fn write_depth_png(
    path: &Path,
    metres: &[f32],
    [width, height]: [u32; 2],
    metres_per_unit: f32,
) -> Result<(), PictureError> {
    let step = |m: &f32| match distance::known(*m) {
        true => (m / metres_per_unit).round().clamp(1.0, f32::from(u16::MAX)) as u16,
        false => 0,
    };
    let encode = |reason: String| PictureError::Encode { path: path.into(), reason };
    let grey: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(width, height, metres.iter().map(step).collect::<Vec<u16>>())
            .filter(|grey| grey.as_raw().len() as u64 == u64::from(width) * u64::from(height))
            .ok_or_else(|| encode(format!("{} values are not {width}x{height}", metres.len())))?;
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageLuma16(grey)
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| encode(e.to_string()))?;
    write_atomic(path, bytes.get_ref())
        .map_err(|source| PictureError::Write { path: path.into(), source })
}
