//! The form of a record as JSON, checked by hand where serde refuses a line: its words ("data did
//! not match any variant") do not help the person who wrote the line.

use crate::error::RecordError;
use crate::json;
use crate::task::{Task, Unit};
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Says why `line` is not the JSON of a record; `refused` is serde's own text, for what is not
/// found here.
pub(crate) fn explain(line: &str, refused: &str) -> RecordError {
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        Err(error) => return RecordError::Json(syntax(line, &error)),
    };
    match record(&value) {
        Err(error) => error,
        Ok(()) => RecordError::Json(twice(refused).unwrap_or_else(|| refused.into())),
    }
}

/// A key that stands twice in one object, of which the JSON as a value no longer knows.
fn twice(refused: &str) -> Option<String> {
    let key = refused.strip_prefix("duplicate field `")?.split('`').next()?;
    Some(format!("the key '{key}' stands twice in one object; keep one of them"))
}

/// Where the line stops being JSON, with the text that stands there.
fn syntax(line: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "the line ends inside the record; a record is one object on one line".into();
    }
    json::syntax(line, error)
}

fn record(value: &Value) -> Result<(), RecordError> {
    let fields = ["id", "source", "licence", "image", "targets", "prompts", "turns"];
    let object = known(value, "", &fields)?;
    text(need(object, "", "id")?, "id")?;
    for name in ["source", "licence"] {
        if let Some(value) = object.get(name) {
            text(value, name)?;
        }
    }
    let image = known(need(object, "", "image")?, "image", &["path", "width", "height"])?;
    text(need(image, "image", "path")?, "image.path")?;
    for side in ["width", "height"] {
        whole(need(image, "image", side)?, &format!("image.{side}"))?;
    }
    each(object, "", "targets", target)?;
    each(object, "", "prompts", prompt)?;
    need(object, "", "turns")?;
    each(object, "", "turns", turn)
}

fn target(value: &Value, field: &str) -> Result<(), RecordError> {
    let object = known(value, field, &["box", "mask", "keypoints", "depth"])?;
    if let Some(value) = given(object, "box") {
        numbers(value, &format!("{field}.box"), 4, "[x, y, width, height]")?;
    }
    if let Some(value) = given(object, "mask") {
        mask(value, &format!("{field}.mask"))?;
    }
    if let Some(value) = given(object, "keypoints") {
        let field = format!("{field}.keypoints");
        let rows = list(value, &field)?;
        if rows.first().is_some_and(Value::is_number) {
            let found = format!("a flat list of {} numbers", rows.len());
            return expected(&field, found, "17 rows, [[x, y, v], ...]");
        }
        for (k, row) in rows.iter().enumerate() {
            numbers(row, &format!("{field}[{k}]"), 3, "[x, y, v]")?;
        }
    }
    if let Some(value) = given(object, "depth") {
        let field = format!("{field}.depth");
        let object = known(value, &field, &["path", "metres_per_unit"])?;
        text(need(object, &field, "path")?, &format!("{field}.path"))?;
        let step = format!("{field}.metres_per_unit");
        number(need(object, &field, "metres_per_unit")?, &step)?;
    }
    Ok(())
}

fn mask(value: &Value, field: &str) -> Result<(), RecordError> {
    if value.is_array() {
        let wanted =
            "an object {\"size\": [height, width], \"counts\": ...}, and not a list of polygons,";
        return expected(field, kind(value), wanted);
    }
    let object = known(value, field, &["size", "counts"])?;
    let size = format!("{field}.size");
    numbers(need(object, field, "size")?, &size, 2, "[height, width]")?;
    for (k, side) in list(need(object, field, "size")?, &size)?.iter().enumerate() {
        whole(side, &format!("{size}[{k}]"))?;
    }
    let counts = format!("{field}.counts");
    match need(object, field, "counts")? {
        Value::String(_) => Ok(()),
        Value::Array(runs) => {
            runs.iter().enumerate().try_for_each(|(k, run)| whole(run, &format!("{counts}[{k}]")))
        }
        other => expected(&counts, kind(other), "a list of run lengths, or COCO's text"),
    }
}

fn prompt(value: &Value, field: &str) -> Result<(), RecordError> {
    let object = known(value, field, &["kind", "x", "y", "w", "h", "points", "mask"])?;
    let name = format!("{field}.kind");
    let kind_of = text(need(object, field, "kind")?, &name)?;
    let places: &[&str] = match kind_of {
        "point" => &["x", "y"],
        "box" => &["x", "y", "w", "h"],
        "scribble" => &["points"],
        "mask" => &["mask"],
        other => return expected(&name, format!("'{other}'"), "point, box, scribble or mask"),
    };
    known(value, field, &[&["kind"], places].concat())?;
    for place in places {
        let (value, field) = (need(object, field, place)?, format!("{field}.{place}"));
        match *place {
            "mask" => mask(value, &field)?,
            "points" => {
                for (k, point) in list(value, &field)?.iter().enumerate() {
                    numbers(point, &format!("{field}[{k}]"), 2, "[x, y]")?;
                }
            }
            _ => number(value, &field)?,
        }
    }
    Ok(())
}

fn turn(value: &Value, field: &str) -> Result<(), RecordError> {
    let object = known(value, field, &["task", "question", "answer"])?;
    let name = format!("{field}.task");
    let task = text(need(object, field, "task")?, &name)?;
    if task.parse::<Task>().is_err() {
        let names: Vec<_> = Task::ALL.iter().map(|task| task.name()).collect();
        return expected(&name, format!("'{task}'"), &format!("one of {}", names.join(", ")));
    }
    need(object, field, "question")?;
    need(object, field, "answer")?;
    each(object, field, "question", |part, field| match part {
        Value::String(_) => Ok(()),
        Value::Object(_) => {
            let object = known(part, field, &["prompt"])?;
            whole(need(object, field, "prompt")?, &format!("{field}.prompt"))
        }
        other => expected(field, kind(other), "a text, or {\"prompt\": number}"),
    })?;
    each(object, field, "answer", |part, field| match part {
        Value::String(_) => Ok(()),
        Value::Object(_) => triplet(part, field),
        other => expected(field, kind(other), "a text, or {\"concept\", \"unit\", \"targets\"}"),
    })
}

fn triplet(value: &Value, field: &str) -> Result<(), RecordError> {
    let object = known(value, field, &["concept", "unit", "targets"])?;
    text(need(object, field, "concept")?, &format!("{field}.concept"))?;
    let name = format!("{field}.unit");
    let unit = text(need(object, field, "unit")?, &name)?;
    if !Unit::ALL.iter().any(|known| known.name() == unit) {
        let names = Unit::ALL.map(Unit::name).join(", ");
        return expected(&name, format!("'{unit}'"), &format!("one of {names}"));
    }
    need(object, field, "targets")?;
    each(object, field, "targets", whole)
}

/// The object, if it has no other keys than these.
fn known<'v>(value: &'v Value, field: &str, keys: &[&str]) -> Result<&'v Object, RecordError> {
    let Value::Object(object) = value else {
        let shown = if field.is_empty() { "the line" } else { field };
        return expected(shown, kind(value), &format!("an object with {}", keys.join(", ")));
    };
    let Some(key) = object.keys().find(|key| !keys.contains(&key.as_str())) else {
        return Ok(object);
    };
    let near = keys.iter().min_by_key(|known| distance(key, known));
    let near = near.filter(|known| distance(key, known) <= 2);
    let remedy = match near {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there are {}", keys.join(", ")),
    };
    Err(structure(&join(field, key), format!("this key is not known; {remedy}")))
}

fn need<'v>(object: &'v Object, field: &str, key: &str) -> Result<&'v Value, RecordError> {
    object.get(key).ok_or_else(|| structure(&join(field, key), "is missing".into()))
}

/// A field that may also be absent or null.
fn given<'v>(object: &'v Object, key: &str) -> Option<&'v Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn each(
    object: &Object,
    field: &str,
    key: &str,
    check: impl Fn(&Value, &str) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let Some(value) = object.get(key) else { return Ok(()) };
    let field = join(field, key);
    let items = list(value, &field)?.iter().enumerate();
    items.into_iter().try_for_each(|(k, item)| check(item, &format!("{field}[{k}]")))
}

fn list<'v>(value: &'v Value, field: &str) -> Result<&'v [Value], RecordError> {
    match value {
        Value::Array(items) => Ok(items),
        other => expected(field, kind(other), "a list"),
    }
}

fn numbers(value: &Value, field: &str, count: usize, form: &str) -> Result<(), RecordError> {
    match value {
        Value::Array(items) if items.len() == count => {
            items.iter().enumerate().try_for_each(|(k, v)| number(v, &format!("{field}[{k}]")))
        }
        Value::Array(items) => expected(field, format!("{} values", items.len()), form),
        other => expected(field, kind(other), form),
    }
}

fn number(value: &Value, field: &str) -> Result<(), RecordError> {
    if value.is_number() { Ok(()) } else { expected(field, kind(value), "a number") }
}

fn whole(value: &Value, field: &str) -> Result<(), RecordError> {
    match value.as_u64().is_some_and(|v| u32::try_from(v).is_ok()) {
        true => Ok(()),
        false => expected(field, kind(value), "a whole number from 0 on"),
    }
}

fn text<'v>(value: &'v Value, field: &str) -> Result<&'v str, RecordError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(n) => expected(field, format!("the number {n}"), &format!("text: \"{n}\"")),
        other => expected(field, kind(other), "text in double quotes"),
    }
}

/// A value in words.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("{number}"),
        Value::String(text) if text.chars().count() <= 30 => format!("the text \"{text}\""),
        Value::String(_) => "a text".into(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}

fn expected<T>(field: &str, found: String, wanted: &str) -> Result<T, RecordError> {
    Err(structure(field, format!("{found} stands here; {wanted} is expected")))
}

fn structure(field: &str, problem: String) -> RecordError {
    RecordError::Structure { field: field.into(), problem }
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() { key.into() } else { format!("{field}.{key}") }
}

/// Letters to change between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use crate::Record;

    const GOOD: &str = r#"{"id":"a","image":{"path":"a.png","width":64,"height":48},"targets":[{"box":[7,9,12,17],"mask":{"size":[48,64],"counts":[3072]}}],"prompts":[{"kind":"point","x":12,"y":24}],"turns":[{"task":"grounding_detection","question":["Find ",{"prompt":0},"."],"answer":[{"concept":"dog","unit":"box","targets":[0]},"."]}]}"#;

    /// Each fault is named by its path and by what is expected there, never in serde's words.
    #[test]
    fn a_fault_is_named_by_its_path() {
        Record::from_json(GOOD).unwrap();
        let faults: [(&str, &str, &[&str]); 22] = [
            ("\"unit\":\"box\"", "\"unit\":\"bbox\"", &["turns[0].answer[0].unit", "'bbox'"]),
            ("\"targets\":[0]", "\"target\":[0]", &["answer[0].target:", "'targets'"]),
            ("[0]},", "[0],\"score\":1},", &["answer[0].score", "not known"]),
            ("{\"prompt\":0}", "{\"promt\":0}", &["question[1].promt", "'prompt'"]),
            ("{\"prompt\":0}", "7", &["question[1]", "7 stands here"]),
            ("\"id\":\"a\"", "\"id\":7", &["id: the number 7", "\"7\""]),
            ("[3072]", "[-3072]", &["targets[0].mask.counts[0]", "-3072"]),
            ("[7,9,12,17]", "[7,9,NaN,17]", &["column", "NaN", "no such number"]),
            ("[7,9,12,17]", "[7,9,12]", &["targets[0].box", "3 values", "width, height"]),
            ("[7,9,12,17]", "[7,9,\"12\",17]", &["targets[0].box[2]", "\"12\""]),
            ("\"turns\":[{", "\"turns\":[{\"mood\":1,", &["turns[0].mood", "not known"]),
            ("\"image\"", "\"imge\"", &["imge", "did you mean 'image'"]),
            ("\"width\":64", "\"width\":64.5", &["image.width", "64.5", "whole"]),
            ("\"kind\":\"point\"", "\"kind\":\"dot\"", &["prompts[0].kind", "'dot'"]),
            ("\"y\":24", "\"z\":24", &["prompts[0].z", "not known"]),
            ("grounding_detection", "detect", &["turns[0].task", "'detect'", "segmentation"]),
            ("\"box\":[7,9,12,17]", "\"keypoints\":[1,2,2]", &["keypoints", "flat", "17 rows"]),
            ("{\"size\":[48,64],\"counts\":[3072]}", "[[1,2,3,4]]", &["mask", "polygons"]),
            ("[7,9,12,17]", "[0.1,0.2,0.5,0.25]", &["shares", "[6.4, 9.6, 32, 12]"]),
            ("\"turns\":", "\"id\":\"b\",\"turns\":", &["'id' stands twice"]),
            ("\"turns\":", "\"turn\":", &["turn:", "'turns'"]),
            (",\"turns\"", "", &["column"]),
        ];
        for (from, to, words) in faults {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let message = Record::from_json(&text).unwrap_err().to_string();
            for word in words {
                assert!(message.contains(word), "{to}: no '{word}' in: {message}");
            }
            assert!(!message.contains("untagged"), "{message}");
        }
        let cut = Record::from_json(&GOOD[..80]).unwrap_err().to_string();
        assert!(cut.contains("ends inside"), "{cut}");
    }
}
