//! The values of a pickle, as far as they say something of tensors.
//!
//! They live in one list and refer to each other by their place in it, since a pickle may come back
//! to a dictionary before it is filled.

use crate::{Encoding, MAX_AXES, MAX_NAME};
use std::rc::Rc;

/// Place of a value.
pub(super) type Id = u32;

/// What a pickle can hold here.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Numbers that are no sizes, absent values, and objects that nothing is asked of.
    Other,
    Bool(bool),
    Integer(i64),
    /// A whole number of more than 64 bits, its lowest byte first.
    Long(Box<[u8]>),
    Text(Box<str>),
    /// A tuple or list.
    Sequence(Vec<Id>),
    /// A dictionary in order.
    Dictionary(Vec<(Id, Id)>),
    Global(Global),
    /// A class or function of another name, and what one made; nothing of it is ever called.
    Foreign(Rc<str>),
    Storage(Storage),
    /// Storage, first number, shape and strides of a tensor.
    Tensor([Id; 4]),
}

/// What a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Rebuild,
    Parameter,
    Size,
    Storage(Encoding),
    /// Settings of the training script.
    Namespace,
}

impl Global {
    /// The one of that name in a module, if it is allowed.
    pub fn find(name: &str) -> Option<Self> {
        GLOBALS.iter().find(|(allowed, _)| *allowed == name).map(|&(_, global)| global)
    }
}

/// Storage classes of PyTorch, and what is not one.
const GLOBALS: [(&str, Global); 18] = [
    ("collections.OrderedDict", Global::OrderedDict),
    // Before 0.4 tensors knew nothing of gradients.
    ("torch._utils._rebuild_tensor", Global::Rebuild),
    ("torch._utils._rebuild_tensor_v2", Global::Rebuild),
    ("torch._utils._rebuild_parameter", Global::Parameter),
    ("torch.Size", Global::Size),
    ("argparse.Namespace", Global::Namespace),
    ("torch.DoubleStorage", Global::Storage(Encoding::F64)),
    ("torch.FloatStorage", Global::Storage(Encoding::F32)),
    ("torch.HalfStorage", Global::Storage(Encoding::F16)),
    ("torch.BFloat16Storage", Global::Storage(Encoding::BF16)),
    ("torch.LongStorage", Global::Storage(Encoding::I64)),
    ("torch.IntStorage", Global::Storage(Encoding::I32)),
    ("torch.ShortStorage", Global::Storage(Encoding::I16)),
    ("torch.CharStorage", Global::Storage(Encoding::I8)),
    ("torch.ByteStorage", Global::Storage(Encoding::U8)),
    ("torch.BoolStorage", Global::Storage(Encoding::Bool)),
    ("torch.nn.parameter.Parameter", Global::Parameter),
    ("torch.storage.UntypedStorage", Global::Storage(Encoding::U8)),
];

/// A stretch of numbers somewhere in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storage {
    pub encoding: Encoding,
    /// Place of the text it is known by.
    pub key: Id,
    pub numbers: u64,
}

/// A tensor within a storage.
#[derive(Debug)]
pub(super) struct View {
    pub storage: Storage,
    pub first: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The values of a pickle and which of them is the whole.
pub(super) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) root: Id,
}

impl Pickle {
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    /// The whole.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value of a text in a dictionary.
    pub fn entry(&self, dictionary: Id, text: &str) -> Option<Id> {
        let Value::Dictionary(entries) = self.get(dictionary) else { return None };
        let is_it = |key| matches!(self.get(key), Value::Text(key) if **key == *text);
        entries.iter().find_map(|&(key, value)| is_it(key).then_some(value))
    }

    /// All storages, each as often as it is named.
    pub fn storages(&self) -> impl Iterator<Item = Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(*storage),
            _ => None,
        })
    }

    /// What a storage is known by.
    pub fn key(&self, storage: Storage) -> &str {
        match self.get(storage.key) {
            Value::Text(key) => key,
            _ => "",
        }
    }

    /// A storage from `(tag, class, key, place, numbers)` and what some add to that.
    pub fn storage(&self, id: Id) -> Option<Storage> {
        let Value::Sequence(items) = self.get(id) else { return None };
        let &[tag, class, key, _, numbers, ..] = &**items else { return None };
        match [self.get(tag), self.get(class), self.get(key), self.get(numbers)] {
            [
                Value::Text(tag),
                &Value::Global(Global::Storage(encoding)),
                Value::Text(text),
                &Value::Integer(numbers),
            ] if **tag == *"storage" && text.len() as u64 <= MAX_NAME => {
                Some(Storage { encoding, key, numbers: u64::try_from(numbers).ok()? })
            }
            _ => None,
        }
    }

    /// The class of a storage that is none of PyTorch's.
    pub fn foreign_storage(&self, id: Id) -> Option<Rc<str>> {
        let Value::Sequence(items) = self.get(id) else { return None };
        match items.get(1).map(|&class| self.get(class)) {
            Some(Value::Foreign(name)) => Some(name.clone()),
            _ => None,
        }
    }

    /// A tensor from its storage, first number, shape and strides.
    pub fn view(&self, [storage, first, shape, strides]: [Id; 4]) -> Option<View> {
        let (&Value::Storage(storage), &Value::Integer(first)) =
            (self.get(storage), self.get(first))
        else {
            return None;
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        let first = u64::try_from(first).ok()?;
        (shape.len() == strides.len()).then_some(View { storage, first, shape, strides })
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Sequence(items) = self.get(id) else { return None };
        let size = |&id: &Id| match self.get(id) {
            &Value::Integer(n) => usize::try_from(n).ok(),
            _ => None,
        };
        (items.len() <= MAX_AXES).then(|| items.iter().map(size).collect())?
    }
}
