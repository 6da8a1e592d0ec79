//! `refvlm data convert`: data sets and records as files of other programs.

use super::Outcome;
use super::say::{left_out, say};
use clap::{Args, ValueEnum};
use refvlm_data::convert::{Converter, Format};
use refvlm_data::readers::{self, Item};
use refvlm_native::output::{Staging, check_folder};
use refvlm_native::records::{Records, folder_of, picture_path, record_file};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Write a data set or records in the format of another program.
#[derive(Debug, Args)]
pub struct Convert {
    /// A folder in any layout that `data build` reads, or records: a JSON Lines file or a folder
    /// with `records.jsonl`.
    data: PathBuf,
    /// The format to write.
    #[arg(long, value_enum)]
    to: To,
    /// Write into this folder.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Write into the folder though it is not empty.
    #[arg(long)]
    force: bool,
}

/// A format to write.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum To {
    /// COCO: boxes, masks, joints, captions.
    Coco,
    /// YOLO: polygons and boxes.
    Yolo,
    /// YOLO: boxes and joints.
    YoloPose,
    /// LabelMe: polygons and rectangles.
    Labelme,
    /// LLaVA: conversations in words.
    Llava,
}

impl Convert {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        check_folder(&self.out, &[&self.data], self.force)?;
        let mut converter = Converter::default();
        let records = record_file(&self.data);
        if records.is_file() {
            let folder = folder_of(&records);
            for line in Records::open(&records)? {
                let (_, record) = line?;
                let picture = picture_path(folder, &record)?;
                converter.record(record, &picture);
            }
        } else {
            self.gather(&mut converter)?;
        }
        let format = match self.to {
            To::Coco => Format::Coco,
            To::Yolo => Format::Yolo,
            To::YoloPose => Format::YoloPose,
            To::Labelme => Format::LabelMe,
            To::Llava => Format::Llava,
        };
        let staging = Staging::begin(&self.out)?;
        let converted = converter.write(format, staging.path())?;
        staging.finish()?;
        say!("{}: {converted}", self.out.display());
        Ok(())
    }

    fn gather(&self, converter: &mut Converter) -> Outcome {
        for source in readers::sources(&self.data)? {
            let mut take = |item| {
                match item {
                    Item::Photo(photo) => converter.photo(photo),
                    Item::Conversation(told) => converter.record(told.record, &told.picture),
                }
                ControlFlow::Continue(())
            };
            let outcome = source.read(&mut take)?;
            left_out(&outcome.faults, outcome.dropped);
        }
        Ok(())
    }
}
