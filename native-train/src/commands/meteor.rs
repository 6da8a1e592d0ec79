//! METEOR by its official Java archive: the definition is the program with its tables of
//! paraphrases, so it is asked instead of written again.

use refvlm_native::scores::Row;
use refvlm_native::scores::text::Caption;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The program, one line in for one line out.
struct Meteor<'a> {
    jar: &'a Path,
    child: Child,
    lines_in: ChildStdin,
    lines_out: BufReader<ChildStdout>,
}

impl<'a> Meteor<'a> {
    fn start(jar: &'a Path) -> Result<Self, String> {
        if !jar.is_file() {
            let text = "no such file; it comes with pycocoevalcap, in its folder meteor";
            return Err(format!("--meteor {}: {text}", jar.display()));
        }
        let mut command = Command::new("java");
        command.args(["-Xmx2G", "-jar"]).arg(jar).args(["-", "-", "-stdio", "-l", "en", "-norm"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| {
            format!("java: {e}: --meteor needs Java 8 or later; install it, or leave it out")
        })?;
        let (Some(lines_in), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("java: no pipes to it".into());
        };
        Ok(Self { jar, child, lines_in, lines_out: BufReader::new(out) })
    }

    fn failed(&self, what: impl std::fmt::Display) -> String {
        let text = "is it meteor-1.5.jar with data/paraphrase-en.gz beside it?";
        format!("{}: {what}: {text}", self.jar.display())
    }

    fn send(&mut self, line: &str) -> Result<(), String> {
        let sent = writeln!(self.lines_in, "{line}").and_then(|()| self.lines_in.flush());
        sent.map_err(|e| self.failed(e))
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.lines_out.read_line(&mut line) {
            Ok(0) => Err(self.failed("the program ended without an answer")),
            Ok(_) => Ok(line.trim().to_string()),
            Err(e) => Err(self.failed(e)),
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        let line = self.line()?;
        line.parse().map_err(|_| self.failed(format!("'{line}' came instead of a number")))
    }
}

impl Drop for Meteor<'_> {
    fn drop(&mut self) {
        // It waits for more lines; there are none.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The score of the corpus and of each caption.
pub(super) fn meteor(jar: &Path, captions: &[Caption]) -> Result<(Row, Vec<f64>), String> {
    let mut program = Meteor::start(jar)?;
    let mut all = String::from("EVAL");
    for caption in captions {
        let texts = caption.references.iter().chain([&caption.answer]);
        // Three bars part the texts.
        let texts: Vec<String> = texts.map(|words| words.join(" ").replace("|||", "")).collect();
        program.send(&format!("SCORE ||| {}", texts.join(" ||| ")))?;
        all += &format!(" ||| {}", program.line()?);
    }
    program.send(&all)?;
    let scores: Result<Vec<f64>, String> = captions.iter().map(|_| program.number()).collect();
    let scores = scores?;
    let value = program.number()?;
    Ok((Row { name: "METEOR".into(), value: Some(value), count: captions.len() as u64 }, scores))
}
