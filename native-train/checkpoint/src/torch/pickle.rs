//! A machine for the part of Python's pickle that describes tensors. Nothing is ever called: what
//! `torch.save` writes for a tensor is recognised, anything else is an error.
//!
//! Values live in one list and refer to each other by their place in it, since a pickle may come
//! back to a dictionary before it is filled.

use crate::{CheckpointError, MAX_AXES, MAX_NAME, MAX_TENSORS};
use std::collections::HashMap;
use std::rc::Rc;

/// Values; a tensor takes some twenty.
const MAX_VALUES: usize = 1 << 19;

/// Place of a value.
pub(super) type Id = u32;

/// What a pickle can hold here.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Numbers that are no sizes, absent values, and objects that nothing is asked of.
    Other,
    Integer(i64),
    Text(Box<str>),
    /// A tuple or list.
    Sequence(Vec<Id>),
    /// A dictionary in order.
    Dictionary(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<Storage>),
    Tensor(Box<View>),
    /// A mark on the stack.
    Mark,
}

/// What a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Rebuild,
    Parameter,
    Size,
    Storage(&'static str),
    /// Settings of the training script.
    Namespace,
}

/// A stretch of numbers in a file of the archive.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub kind: &'static str,
    pub key: Rc<str>,
    pub numbers: u64,
}

/// A tensor within a storage.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub storage: Storage,
    pub first: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Storage classes of PyTorch, and what is not one.
const GLOBALS: [(&str, Global); 17] = [
    ("collections.OrderedDict", Global::OrderedDict),
    ("torch._utils._rebuild_tensor_v2", Global::Rebuild),
    ("torch._utils._rebuild_parameter", Global::Parameter),
    ("torch.Size", Global::Size),
    ("argparse.Namespace", Global::Namespace),
    ("torch.DoubleStorage", Global::Storage("f64")),
    ("torch.FloatStorage", Global::Storage("f32")),
    ("torch.HalfStorage", Global::Storage("f16")),
    ("torch.BFloat16Storage", Global::Storage("bf16")),
    ("torch.LongStorage", Global::Storage("i64")),
    ("torch.IntStorage", Global::Storage("i32")),
    ("torch.ShortStorage", Global::Storage("i16")),
    ("torch.CharStorage", Global::Storage("i8")),
    ("torch.ByteStorage", Global::Storage("u8")),
    ("torch.BoolStorage", Global::Storage("bool")),
    ("torch.nn.parameter.Parameter", Global::Parameter),
    ("torch.storage.UntypedStorage", Global::Storage("u8")),
];

/// The values of a pickle and which of them is the whole.
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    pub fn root(&self) -> Id {
        self.root
    }

    /// Runs the program in `bytes`; `file` is what errors call it.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut machine = Machine {
            file,
            bytes,
            at: 0,
            values: vec![],
            stack: vec![],
            memo: HashMap::new(),
            next_memo: 0,
            tensors: 0,
        };
        let root = machine.run()?;
        Ok(Self { values: machine.values, root })
    }
}

struct Machine<'a> {
    file: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    memo: HashMap<u32, Id>,
    next_memo: u32,
    /// How many so far.
    tensors: u64,
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

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, CheckpointError> {
        loop {
            let at = self.at;
            match self.byte()? {
                op::PROTO => drop(self.byte()?),
                op::FRAME => drop(self.take(8)?),
                op::STOP => return self.pop(),
                op::POP => drop(self.pop()?),
                op::MARK => self.push(Value::Mark)?,
                op::NONE | op::NEWTRUE | op::NEWFALSE => self.push(Value::Other)?,
                op::BINFLOAT => {
                    self.take(8)?;
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
                    self.text(length as usize)?;
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
                    self.extend(vec![item])?;
                }
                op::APPENDS => {
                    let items = self.marked()?;
                    self.extend(items)?;
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
                    match (self.value(module), self.value(name)) {
                        (Value::Text(module), Value::Text(name)) => {
                            let (module, name) = (module.clone(), name.clone());
                            self.global(&module, &name)?;
                        }
                        _ => return Err(self.wrong("a name that is no text")),
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
                    return Err(CheckpointError::Opcode { file: self.file.into(), opcode, at });
                }
            }
        }
    }

    fn wrong(&self, reason: &str) -> CheckpointError {
        CheckpointError::damaged(self.file, format!("pickle at {}: {reason}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&[u8], CheckpointError> {
        let bytes: &[u8] = self.bytes;
        let end = self.at.checked_add(count).filter(|&end| end <= bytes.len());
        let Some(end) = end else {
            return Err(self.wrong(&format!("{count} bytes more are needed")));
        };
        let taken = &bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CheckpointError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn line(&mut self) -> Result<String, CheckpointError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take(MAX_NAME as usize).position(|&b| b == b'\n');
        let length = length.ok_or_else(|| self.wrong("a name without an end"))?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn text(&mut self, length: usize) -> Result<(), CheckpointError> {
        let text = self.take(length)?;
        // Old pickles hold bytes that are no text; none of them is a name.
        let value = match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Other,
        };
        self.push(value)
    }

    fn long(&mut self) -> Result<(), CheckpointError> {
        let length = self.byte()?;
        let bytes = self.take(length.into())?;
        let mut number = [bytes.last().map_or(0, |&high| if high > 127 { 255 } else { 0 }); 8];
        let value = match number.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Integer(i64::from_le_bytes(number))
            }
            None => Value::Other,
        };
        self.push(value)
    }

    fn push(&mut self, value: Value) -> Result<(), CheckpointError> {
        if self.values.len() >= MAX_VALUES || self.stack.len() >= MAX_VALUES {
            let count = MAX_VALUES as u64;
            return Err(CheckpointError::too_much(self.file, "values in a pickle", count, count));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, CheckpointError> {
        self.stack.pop().ok_or_else(|| self.wrong("nothing is on the stack"))
    }

    fn value(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    /// What lies above the last mark, which goes too.
    fn marked(&mut self) -> Result<Vec<Id>, CheckpointError> {
        let mark = self.stack.iter().rposition(|&id| matches!(self.value(id), Value::Mark));
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

    fn top(&mut self) -> Option<&mut Value> {
        let id = *self.stack.last()?;
        self.values.get_mut(id as usize)
    }

    fn extend(&mut self, more: Vec<Id>) -> Result<(), CheckpointError> {
        match self.top() {
            Some(Value::Sequence(items)) => items.extend(more),
            _ => return Err(self.wrong("items for something that is no list")),
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
            Some(Value::Other) => {}
            _ => return Err(self.wrong("entries for something that is no dictionary")),
        }
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), CheckpointError> {
        let id = self.memo.get(&key).copied();
        let id = id.ok_or_else(|| self.wrong("a value that was not kept"))?;
        if self.stack.len() >= MAX_VALUES {
            let count = MAX_VALUES as u64;
            return Err(CheckpointError::too_much(self.file, "values in a pickle", count, count));
        }
        self.stack.push(id);
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), CheckpointError> {
        let id = self.stack.last().copied().ok_or_else(|| self.wrong("nothing to keep"))?;
        if self.memo.len() >= MAX_VALUES {
            let count = MAX_VALUES as u64;
            return Err(CheckpointError::too_much(self.file, "values in a pickle", count, count));
        }
        self.memo.insert(key, id);
        self.next_memo = self.next_memo.max(key).saturating_add(1);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), CheckpointError> {
        let full = format!("{module}.{name}");
        match GLOBALS.iter().find(|(allowed, _)| *allowed == full) {
            Some(&(_, global)) => self.push(Value::Global(global)),
            None => Err(CheckpointError::Global { file: self.file.into(), global: full }),
        }
    }

    /// A persistent id: `("storage", class, key, place, numbers)`.
    fn storage(&mut self) -> Result<(), CheckpointError> {
        let id = self.pop()?;
        let storage = match self.value(id) {
            Value::Sequence(items) => match items[..] {
                [tag, kind, key, _, numbers] => {
                    let parts =
                        (self.value(tag), self.value(kind), self.value(key), self.value(numbers));
                    match parts {
                        (
                            Value::Text(tag),
                            &Value::Global(Global::Storage(kind)),
                            Value::Text(key),
                            &Value::Integer(numbers),
                        ) if &**tag == "storage" && key.len() as u64 <= MAX_NAME => {
                            let numbers = u64::try_from(numbers).ok();
                            numbers.map(|numbers| Storage { kind, key: (&**key).into(), numbers })
                        }
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        let storage = storage.ok_or_else(|| self.wrong("a reference that is no storage"))?;
        self.push(Value::Storage(Box::new(storage)))
    }

    fn reduce(&mut self) -> Result<(), CheckpointError> {
        let (arguments, what) = (self.pop()?, self.pop()?);
        let (&Value::Global(what), Value::Sequence(arguments)) =
            (self.value(what), self.value(arguments))
        else {
            return Err(self.wrong("a call of something that can't be called"));
        };
        let value = match what {
            Global::OrderedDict if arguments.is_empty() => Value::Dictionary(vec![]),
            Global::Namespace => Value::Other,
            Global::Size => match arguments[..] {
                [sizes] => match self.value(sizes) {
                    Value::Sequence(items) if items.len() <= MAX_AXES => {
                        Value::Sequence(items.clone())
                    }
                    _ => return Err(self.wrong("a size that is no list of a few numbers")),
                },
                _ => return Err(self.wrong("a size that is no list of a few numbers")),
            },
            Global::Rebuild => Value::Tensor(Box::new(self.view(arguments)?)),
            // A parameter is its tensor.
            Global::Parameter => match arguments.first().map(|&id| self.value(id)) {
                Some(Value::Tensor(view)) => Value::Tensor(view.clone()),
                _ => return Err(self.wrong("a parameter without a tensor")),
            },
            _ => return Err(self.wrong("a call of something that can't be called")),
        };
        if matches!(value, Value::Tensor(_)) {
            self.tensors += 1;
            if self.tensors > MAX_TENSORS {
                let (file, count) = (self.file, self.tensors);
                return Err(CheckpointError::too_much(file, "tensors", count, MAX_TENSORS));
            }
        }
        self.push(value)
    }

    /// `(storage, first, shape, strides, ...)`.
    fn view(&self, arguments: &[Id]) -> Result<View, CheckpointError> {
        let sizes = |id: Id| match self.value(id) {
            Value::Sequence(items) if items.len() <= MAX_AXES => items
                .iter()
                .map(|&id| match self.value(id) {
                    &Value::Integer(n) => usize::try_from(n).ok(),
                    _ => None,
                })
                .collect::<Option<Vec<usize>>>(),
            _ => None,
        };
        let view = match arguments {
            &[storage, first, shape, strides, ..] => {
                match (self.value(storage), self.value(first), sizes(shape), sizes(strides)) {
                    (
                        Value::Storage(storage),
                        &Value::Integer(first),
                        Some(shape),
                        Some(strides),
                    ) if shape.len() == strides.len() => {
                        let first = u64::try_from(first).ok();
                        let storage = (**storage).clone();
                        first.map(|first| View { storage, first, shape, strides })
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        view.ok_or_else(|| self.wrong("a tensor without storage, place, shape and strides"))
    }

    /// State of an object: the attributes of a dictionary (`_metadata`) say nothing of tensors.
    fn build(&mut self) -> Result<(), CheckpointError> {
        self.pop()?;
        match self.top() {
            Some(Value::Dictionary(_) | Value::Other | Value::Tensor(_)) => Ok(()),
            _ => Err(self.wrong("a state for something that has none")),
        }
    }
}
