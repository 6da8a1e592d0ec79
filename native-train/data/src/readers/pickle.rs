//! Python's pickle, for plain values only: numbers, texts, lists, tuples and dictionaries, in the
//! protocols 0 to 5. Nothing is ever called; an opcode that names a class is an error.
//!
//! The machine of `refvlm-checkpoint` is another one: it recognises the classes, calls and storages
//! that make tensors, and keeps no plain values. The `serde-pickle` crate serves neither: it refuses
//! these classes, and copies a value as often as it is referred to, without a bound.

use crate::bounded::read_bounded;
use crate::error::DataError;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::Path;

/// Longest file.
const MAX_BYTES: u64 = 1 << 30;
/// Values that come out, repeated ones included.
const MAX_VALUES: usize = 1 << 26;
/// How deep values may lie in each other.
const MAX_DEPTH: usize = 32;

enum Node {
    Plain(Value),
    List(Vec<usize>),
    Dict(Vec<usize>),
    Mark,
}

/// The value that a pickle is.
///
/// # Errors
/// When the file cannot be read, is cut or holds more than plain values.
pub(crate) fn read(path: &Path) -> Result<Value, DataError> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let bad = |problem: String| DataError::Format { path: path.into(), problem };
    let mut machine = Machine { left: &bytes, ..Machine::default() };
    let root = machine.run().map_err(|problem| {
        bad(format!("pickle, byte {}: {problem}", bytes.len() - machine.left.len()))
    })?;
    let mut budget = MAX_VALUES;
    machine.value(root, 0, &mut budget).map_err(bad)
}

#[derive(Default)]
struct Machine<'a> {
    left: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<usize>,
    memo: HashMap<u32, usize>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<usize, String> {
        loop {
            let [code] = self.array()?;
            match code {
                b'.' => return self.pop(),
                0x80 => drop(self.array::<1>()?),
                0x95 => drop(self.array::<8>()?),
                b'(' => self.push(Node::Mark),
                b'N' => self.plain(Value::Null),
                0x88 => self.plain(true),
                0x89 => self.plain(false),
                b'G' => {
                    let number = f64::from_be_bytes(self.array()?);
                    self.plain(number);
                }
                b'K' => {
                    let [number] = self.array()?;
                    self.plain(number);
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.array()?);
                    self.plain(number);
                }
                b'J' => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.plain(number);
                }
                0x8a => {
                    let [length] = self.array()?;
                    let bytes = self.bytes(length.into())?;
                    let sign = if bytes.last().is_some_and(|high| *high > 127) { 255 } else { 0 };
                    let mut number = [sign; 8];
                    let low = number.get_mut(..bytes.len()).ok_or("a number beyond 64 bits")?;
                    low.copy_from_slice(bytes);
                    self.plain(i64::from_le_bytes(number));
                }
                b'I' | b'L' => match self.line()?.trim_end_matches('L') {
                    "01" => self.plain(true),
                    "00" => self.plain(false),
                    text => {
                        let number: i64 = text.parse().map_err(|_| "no number".to_string())?;
                        self.plain(number);
                    }
                },
                b'F' => {
                    let number: f64 = self.line()?.parse().map_err(|_| "no number".to_string())?;
                    self.plain(number);
                }
                b'S' | b'V' => {
                    let text = unquoted(&self.line()?);
                    self.plain(text);
                }
                b'U' | 0x8c | b'C' => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                b'T' | b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                b']' | b')' => self.push(Node::List(vec![])),
                b'}' => self.push(Node::Dict(vec![])),
                b'l' | b't' => {
                    let items = self.marked()?;
                    self.push(Node::List(items));
                }
                b'd' => {
                    let items = self.marked()?;
                    self.push(Node::Dict(items));
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let from = self.stack.len().checked_sub(count).ok_or("nothing on the stack")?;
                    let items = self.stack.split_off(from);
                    self.push(Node::List(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.extend(vec![key, value])?;
                }
                b'e' | b'u' => {
                    let items = self.marked()?;
                    self.extend(items)?;
                }
                b'p' => {
                    let key = self.line()?.parse().map_err(|_| "no number".to_string())?;
                    self.keep(key)?;
                }
                b'q' => {
                    let [key] = self.array()?;
                    self.keep(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.keep(key)?;
                }
                0x94 => self.keep(self.memo.len() as u32)?,
                b'g' => {
                    let key = self.line()?.parse().map_err(|_| "no number".to_string())?;
                    self.recall(key)?;
                }
                b'h' => {
                    let [key] = self.array()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key)?;
                }
                code => return Err(format!("opcode {code:#04x} is more than plain values")),
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (bytes, left) = self.left.split_at_checked(count).ok_or("the file is cut")?;
        self.left = left;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.bytes(N)?.try_into().map_err(|_| "the file is cut".to_string())
    }

    /// A line; bytes beyond ASCII are Latin-1 there.
    fn line(&mut self) -> Result<String, String> {
        let end = self.left.iter().position(|byte| *byte == b'\n').ok_or("the file is cut")?;
        let line = self.bytes(end + 1)?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Ok(line.iter().map(|byte| char::from(*byte)).collect())
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.bytes(length)?).into_owned();
        self.plain(text);
        Ok(())
    }

    fn plain(&mut self, value: impl Into<Value>) {
        self.push(Node::Plain(value.into()));
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    fn pop(&mut self) -> Result<usize, String> {
        self.stack.pop().ok_or_else(|| "nothing on the stack".into())
    }

    fn marked(&mut self) -> Result<Vec<usize>, String> {
        let is_mark = |id: &usize| matches!(self.nodes.get(*id), Some(Node::Mark));
        let mark = self.stack.iter().rposition(is_mark).ok_or("no mark on the stack")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn extend(&mut self, items: Vec<usize>) -> Result<(), String> {
        let top = self.stack.last().and_then(|id| self.nodes.get_mut(*id));
        match top {
            Some(Node::List(list) | Node::Dict(list)) => list.extend(items),
            _ => return Err("items for something that takes none".into()),
        }
        Ok(())
    }

    fn keep(&mut self, key: u32) -> Result<(), String> {
        let top = *self.stack.last().ok_or("nothing to keep")?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or("a value that was not kept")?;
        self.stack.push(id);
        Ok(())
    }

    fn value(&self, id: usize, depth: usize, budget: &mut usize) -> Result<Value, String> {
        *budget = budget.checked_sub(1).ok_or("more values than are read")?;
        if depth > MAX_DEPTH {
            return Err("values lie too deep in each other".into());
        }
        match self.nodes.get(id) {
            Some(Node::Plain(value)) => Ok(value.clone()),
            Some(Node::List(items)) => {
                let items = items.iter().map(|item| self.value(*item, depth + 1, budget));
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            Some(Node::Dict(items)) => {
                let mut map = Map::new();
                for pair in items.chunks_exact(2) {
                    let key = match self.value(pair[0], depth + 1, budget)? {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    map.insert(key, self.value(pair[1], depth + 1, budget)?);
                }
                Ok(Value::Object(map))
            }
            Some(Node::Mark) | None => Err("a mark where a value is wanted".into()),
        }
    }
}

/// A text as Python writes it on a line: in quotes, with backslashes before some letters.
fn unquoted(line: &str) -> String {
    let quoted = line.len() > 1 && line.starts_with(['\'', '"']) && line.ends_with(['\'', '"']);
    let inner = if quoted { &line[1..line.len() - 1] } else { line };
    inner.replace("\\'", "'").replace("\\\"", "\"").replace("\\n", " ").replace("\\\\", "\\")
}
