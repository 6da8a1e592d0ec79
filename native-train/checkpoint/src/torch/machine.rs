//! A machine for the part of Python's pickle that describes tensors. Nothing is ever called: what
//! `torch.save` writes for a tensor is recognised, anything else is an error.

use super::pickle::{Global, Id, Pickle, Value};
use crate::source::Cursor;
use crate::{CheckpointError, MAX_AXES, MAX_NAME};
use std::collections::HashMap;

/// Larger than the pickle of any model.
const MAX_PICKLE: u64 = 32 << 20;
/// Values; a tensor takes some twenty.
const MAX_VALUES: usize = 1 << 18;
/// Values that are put on the stack, the same ones again included.
const MAX_PUSHES: usize = 2 * MAX_VALUES;
/// A mark on the stack, in place of a value.
const MARK: Id = Id::MAX;

/// Reads the pickle that begins at the cursor to its end, and leaves the cursor there.
pub(super) fn read_pickle(cursor: &mut Cursor<'_>) -> Result<Pickle, CheckpointError> {
    let begin = cursor.at();
    let pickle = Pickle { values: vec![], root: 0 };
    let (stack, memo) = (vec![], HashMap::new());
    let mut machine = Machine { cursor, begin, pickle, stack, pushes: 0, memo, next_memo: 0 };
    machine.pickle.root = machine.run()?;
    Ok(machine.pickle)
}

struct Machine<'a, 'b> {
    cursor: &'a mut Cursor<'b>,
    begin: u64,
    pickle: Pickle,
    stack: Vec<Id>,
    pushes: usize,
    memo: HashMap<u32, Id>,
    next_memo: u32,
}

/// Opcodes that are understood, by Python's names.
mod op {
    pub const MARK: u8 = b'(';
    pub const STOP: u8 = b'.';
    pub const POP: u8 = b'0';
    pub const BINFLOAT: u8 = b'G';
    pub const BININT: u8 = b'J';
    pub const BININT1: u8 = b'K';
    pub const BININT2: u8 = b'M';
    pub const NONE: u8 = b'N';
    pub const BINPERSID: u8 = b'Q';
    pub const REDUCE: u8 = b'R';
    pub const BINSTRING: u8 = b'T';
    pub const SHORT_BINSTRING: u8 = b'U';
    pub const BINUNICODE: u8 = b'X';
    pub const EMPTY_LIST: u8 = b']';
    pub const APPEND: u8 = b'a';
    pub const BUILD: u8 = b'b';
    pub const GLOBAL: u8 = b'c';
    pub const APPENDS: u8 = b'e';
    pub const BINGET: u8 = b'h';
    pub const LONG_BINGET: u8 = b'j';
    pub const BINPUT: u8 = b'q';
    pub const LONG_BINPUT: u8 = b'r';
    pub const SETITEM: u8 = b's';
    pub const TUPLE: u8 = b't';
    pub const EMPTY_TUPLE: u8 = b')';
    pub const SETITEMS: u8 = b'u';
    pub const EMPTY_DICT: u8 = b'}';
    pub const PROTO: u8 = 0x80;
    pub const NEWOBJ: u8 = 0x81;
    pub const TUPLE1: u8 = 0x85;
    pub const TUPLE2: u8 = 0x86;
    pub const TUPLE3: u8 = 0x87;
    pub const NEWTRUE: u8 = 0x88;
    pub const NEWFALSE: u8 = 0x89;
    pub const LONG1: u8 = 0x8a;
    pub const SHORT_BINUNICODE: u8 = 0x8c;
    pub const STACK_GLOBAL: u8 = 0x93;
    pub const MEMOIZE: u8 = 0x94;
    pub const FRAME: u8 = 0x95;
}

impl Machine<'_, '_> {
    fn run(&mut self) -> Result<Id, CheckpointError> {
        loop {
            let at = self.at() as usize;
            match self.byte()? {
                op::PROTO => drop(self.byte()?),
                op::FRAME => drop(self.array::<8>()?),
                op::STOP => return self.pop(),
                op::POP => drop(self.pop()?),
                op::MARK => self.put(MARK)?,
                op::NONE => self.push(Value::Other)?,
                op::NEWTRUE => self.push(Value::Bool(true))?,
                op::NEWFALSE => self.push(Value::Bool(false))?,
                op::BINFLOAT => {
                    self.array::<8>()?;
                    self.push(Value::Other)?;
                }
                op::BININT1 => {
                    let number = self.byte()?;
                    self.push(Value::Integer(number.into()))?;
                }
                op::BININT2 => {
                    let number = u16::from_le_bytes(self.array()?);
                    self.push(Value::Integer(number.into()))?;
                }
                op::BININT => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.push(Value::Integer(number.into()))?;
                }
                op::LONG1 => self.long()?,
                op::SHORT_BINUNICODE | op::SHORT_BINSTRING => {
                    let length = self.byte()?;
                    self.text(length.into())?;
                }
                op::BINUNICODE | op::BINSTRING => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length.into())?;
                }
                op::EMPTY_DICT => self.push(Value::Dictionary(vec![]))?,
                op::EMPTY_LIST | op::EMPTY_TUPLE => self.push(Value::Sequence(vec![]))?,
                op::TUPLE1 => self.tuple(1)?,
                op::TUPLE2 => self.tuple(2)?,
                op::TUPLE3 => self.tuple(3)?,
                op::TUPLE => {
                    let items = self.marked()?;
                    self.push(Value::Sequence(items))?;
                }
                op::APPEND => {
                    let item = self.pop()?;
                    self.extend(&[item])?;
                }
                op::APPENDS => {
                    let items = self.marked()?;
                    self.extend(&items)?;
                }
                op::SETITEM => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                op::SETITEMS => {
                    let items = self.marked()?;
                    self.set(&items)?;
                }
                op::GLOBAL => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                op::STACK_GLOBAL => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.pickle.get(module), self.pickle.get(name)) {
                        (Value::Text(module), Value::Text(name)) => {
                            let (module, name) = (module.clone(), name.clone());
                            self.global(&module, &name)?;
                        }
                        _ => return Err(self.wrong("a name that is not text")),
                    }
                }
                op::BINPERSID => self.storage()?,
                op::REDUCE | op::NEWOBJ => self.reduce()?,
                op::BUILD => self.build()?,
                op::BINGET => {
                    let key = self.byte()?;
                    self.recall(key.into())?;
                }
                op::LONG_BINGET => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key)?;
                }
                op::BINPUT => {
                    let key = self.byte()?;
                    self.remember(key.into())?;
                }
                op::LONG_BINPUT => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.remember(key)?;
                }
                op::MEMOIZE => self.remember(self.next_memo)?,
                opcode => {
                    let file = self.cursor.file().into();
                    return Err(CheckpointError::Opcode { file, opcode, at });
                }
            }
        }
    }

    /// Place in the pickle.
    fn at(&self) -> u64 {
        self.cursor.at() - self.begin
    }

    fn wrong(&self, reason: &str) -> CheckpointError {
        CheckpointError::damaged(self.cursor.file(), format!("pickle at {}: {reason}", self.at()))
    }

    fn too_much(&self, what: &'static str, limit: u64) -> CheckpointError {
        CheckpointError::too_much(self.cursor.file(), what, limit + 1, limit)
    }

    fn need(&self, count: u64) -> Result<(), CheckpointError> {
        if count > self.cursor.left() {
            return Err(self.wrong(&format!("{count} bytes more are needed")));
        }
        if self.at() + count > MAX_PICKLE {
            return Err(self.too_much("bytes of a pickle", MAX_PICKLE));
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, CheckpointError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        self.need(N as u64)?;
        self.cursor.array()
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, CheckpointError> {
        self.need(count)?;
        self.cursor.bytes(count)
    }

    fn line(&mut self) -> Result<String, CheckpointError> {
        let mut line = vec![];
        while line.len() as u64 <= MAX_NAME {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                byte => line.push(byte),
            }
        }
        Err(self.wrong("a name without an end"))
    }

    fn text(&mut self, length: u64) -> Result<(), CheckpointError> {
        // Old pickles hold bytes that are not text; they are never names.
        let text = String::from_utf8(self.bytes(length)?);
        self.push(text.map_or(Value::Other, |text| Value::Text(text.into())))
    }

    fn long(&mut self) -> Result<(), CheckpointError> {
        let length = self.byte()?;
        let bytes = self.bytes(length.into())?;
        let mut number = [bytes.last().map_or(0, |&high| if high > 127 { 255 } else { 0 }); 8];
        let value = match number.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(&bytes);
                Value::Integer(i64::from_le_bytes(number))
            }
            None => Value::Long(bytes.into()),
        };
        self.push(value)
    }

    /// Puts a new value on the stack.
    fn push(&mut self, value: Value) -> Result<(), CheckpointError> {
        if self.pickle.values.len() >= MAX_VALUES {
            return Err(self.too_much("values in a pickle", MAX_VALUES as u64));
        }
        let id = self.pickle.values.len() as Id;
        self.pickle.values.push(value);
        self.put(id)
    }

    /// Puts a value on the stack that may have been there before.
    fn put(&mut self, id: Id) -> Result<(), CheckpointError> {
        // Lists and dictionaries get what was on the stack, so this bounds them too.
        self.pushes += 1;
        if self.pushes > MAX_PUSHES {
            return Err(self.too_much("uses of values in a pickle", MAX_PUSHES as u64));
        }
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, CheckpointError> {
        self.stack.pop().ok_or_else(|| self.wrong("nothing is on the stack"))
    }

    /// What lies above the last mark, which goes too.
    fn marked(&mut self) -> Result<Vec<Id>, CheckpointError> {
        let mark = self.stack.iter().rposition(|&id| id == MARK);
        let mark = mark.ok_or_else(|| self.wrong("no mark on the stack"))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn tuple(&mut self, count: usize) -> Result<(), CheckpointError> {
        let begin = self.stack.len().checked_sub(count);
        let begin = begin.ok_or_else(|| self.wrong("nothing is on the stack"))?;
        let items = self.stack.split_off(begin);
        self.push(Value::Sequence(items))
    }

    fn value_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.pickle.values.get_mut(id as usize)
    }

    fn top(&mut self) -> Option<&mut Value> {
        let id = *self.stack.last()?;
        self.value_mut(id)
    }

    fn extend(&mut self, more: &[Id]) -> Result<(), CheckpointError> {
        match self.top() {
            Some(Value::Sequence(items)) => items.extend(more),
            // What is added to an object that nothing is asked of.
            Some(Value::Other | Value::Foreign(_)) => {}
            _ => return Err(self.wrong("items for something other than a list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), CheckpointError> {
        let (pairs, odd) = items.as_chunks::<2>();
        match self.top() {
            Some(Value::Dictionary(entries)) if odd.is_empty() => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            // What is set on an object that nothing is asked of.
            Some(Value::Other | Value::Foreign(_)) => {}
            _ => return Err(self.wrong("entries for something that is no dictionary")),
        }
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), CheckpointError> {
        let id = self.memo.get(&key).copied();
        let id = id.ok_or_else(|| self.wrong("a value that was not kept"))?;
        self.put(id)
    }

    fn remember(&mut self, key: u32) -> Result<(), CheckpointError> {
        let id = self.stack.last().copied().ok_or_else(|| self.wrong("nothing to keep"))?;
        if self.memo.len() >= MAX_VALUES {
            return Err(self.too_much("kept values in a pickle", MAX_VALUES as u64));
        }
        self.memo.insert(key, id);
        self.next_memo = self.next_memo.max(key).saturating_add(1);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), CheckpointError> {
        let global = format!("{module}.{name}");
        match Global::find(&global) {
            Some(global) => self.push(Value::Global(global)),
            // Settings and optimizers beside the weights may be of any class.
            None => self.push(Value::Foreign(global.into())),
        }
    }

    /// A persistent id, which is a storage.
    fn storage(&mut self) -> Result<(), CheckpointError> {
        let id = self.pop()?;
        if let Some(global) = self.pickle.foreign_storage(id) {
            let (file, global) = (self.cursor.file().into(), global.to_string());
            return Err(CheckpointError::Global { file, global });
        }
        let storage = self.pickle.storage(id);
        let storage =
            storage.ok_or_else(|| self.wrong("a reference to something other than a storage"))?;
        let whole = |&part: &Id| matches!(self.pickle.get(part), Value::Other);
        if let Value::Sequence(items) = self.pickle.get(id)
            && !items.iter().skip(5).all(whole)
        {
            return Err(CheckpointError::Unsupported {
                file: self.cursor.file().into(),
                what: "a storage that is a part of another".into(),
                remedy: "load it, clone its tensors and save them with a newer torch.save",
            });
        }
        self.push(Value::Storage(storage))
    }

    fn reduce(&mut self) -> Result<(), CheckpointError> {
        let (arguments, what) = (self.pop()?, self.pop()?);
        if let Value::Foreign(class) = self.pickle.get(what) {
            let object = Value::Foreign(class.clone());
            return self.push(object);
        }
        let (&Value::Global(what), Value::Sequence(arguments)) =
            (self.pickle.get(what), self.pickle.get(arguments))
        else {
            return Err(self.wrong("a call of something that can't be called"));
        };
        let value = match (what, &**arguments) {
            (Global::OrderedDict, []) => Value::Dictionary(vec![]),
            (Global::OrderedDict, &[pairs]) => self.dictionary(pairs)?,
            (Global::Namespace, _) => Value::Other,
            (Global::Size, &[sizes]) => match self.pickle.get(sizes) {
                Value::Sequence(items) if items.len() <= MAX_AXES => Value::Sequence(items.clone()),
                _ => return Err(self.wrong("a size that is not a short list of numbers")),
            },
            (Global::Rebuild, &[storage, first, shape, strides, ..]) => {
                Value::Tensor([storage, first, shape, strides])
            }
            // A parameter is its tensor.
            (Global::Parameter, &[tensor, ..]) => match self.pickle.get(tensor) {
                Value::Tensor(parts) => Value::Tensor(*parts),
                _ => return Err(self.wrong("a parameter without a tensor")),
            },
            _ => return Err(self.wrong("a call of something that can't be called")),
        };
        self.push(value)
    }

    /// The dictionary of a list of pairs, as Python 2 writes an `OrderedDict`.
    fn dictionary(&mut self, pairs: Id) -> Result<Value, CheckpointError> {
        // The list is used up, so that one list can't become many dictionaries.
        let pairs = match self.value_mut(pairs) {
            Some(Value::Sequence(pairs)) => Some(std::mem::take(pairs)),
            _ => None,
        };
        let pair = |&id: &Id| match self.pickle.get(id) {
            Value::Sequence(pair) => pair.as_array().map(|&[key, value]| (key, value)),
            _ => None,
        };
        let entries = pairs.and_then(|pairs| pairs.iter().map(pair).collect());
        let entries =
            entries.ok_or_else(|| self.wrong("a dictionary made of something other than pairs"));
        Ok(Value::Dictionary(entries?))
    }

    /// State of an object: the attributes of a dictionary (`_metadata`) say nothing of tensors.
    fn build(&mut self) -> Result<(), CheckpointError> {
        self.pop()?;
        match self.top() {
            Some(Value::Dictionary(_) | Value::Other | Value::Foreign(_) | Value::Tensor(_)) => {
                Ok(())
            }
            _ => Err(self.wrong("a state for something that has none")),
        }
    }
}
