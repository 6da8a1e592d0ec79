//! What a chat asks: its last question, the picture it is about, and what is pointed at.

use crate::failure::{Failure, Kind};
use crate::json::parse;
use crate::photos::from_url;
use crate::prompts::{Labelled, given};
use crate::queue::{Asking, Photo};
use refvlm_record::ready::completed;
use refvlm_record::{Ask, Sampling, Task};
use serde::Deserialize;
use serde_json::Value;

/// What the model is called besides its own name.
pub const ALIAS: &str = "refvlm";

/// A request, checked.
pub struct Wanted {
    /// The picture.
    pub photo: Photo,
    /// The question.
    pub asking: Asking,
    /// Whether the answer is sent as it grows.
    pub stream: bool,
    /// Whether a stream ends with what it took.
    pub with_usage: bool,
    /// What of the request was not used.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
struct Chat {
    model: Option<String>,
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    seed: Option<i64>,
    n: Option<u64>,
    logprobs: Option<bool>,
    tools: Option<Vec<Value>>,
    response_format: Option<Form>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Form {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
    refvlm: Option<Pointing>,
}

/// What a user's message says beyond OpenAI's fields.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pointing {
    prompts: Vec<Labelled>,
    task: Option<Task>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "content must be a text or a list of parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    image_url: Option<Link>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "image_url must be {\"url\": \"data:...\"}")]
enum Link {
    Object { url: String },
    Plain(String),
}

impl Link {
    fn url(&self) -> &str {
        match self {
            Link::Object { url } | Link::Plain(url) => url,
        }
    }
}

impl Wanted {
    /// Reads a body on a thread where that may take its time. `model` is the only model there is,
    /// `most` the largest number of tokens.
    ///
    /// # Errors
    /// Names what cannot be used.
    pub async fn read(body: Vec<u8>, model: String, most: usize) -> Result<Self, Failure> {
        let read = move || Self::new(&parse::<Chat>(&body)?, &model, most);
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(Failure::lost()))
    }

    fn new(chat: &Chat, model: &str, most: usize) -> Result<Self, Failure> {
        if let Some(name) = chat.model.as_deref().filter(|name| ![model, ALIAS].contains(name)) {
            let problem = format!("there is no model '{name}'; use {model} or {ALIAS}");
            return Err(Failure::field(Kind::Model, "model", problem));
        }
        chat.refuse_what_is_not_there()?;
        let sampling = chat.sampling()?;
        let budget = chat.budget(most)?;
        let Some((last, message)) =
            chat.messages.iter().enumerate().rev().find(|(_, m)| m.role == "user")
        else {
            let problem = "no message has the role user; the last one that has is the question";
            return Err(Failure::field(Kind::Value, "messages", problem));
        };
        let photo = photo(&chat.messages, last)?;
        let words = words(message, last)?;
        let pointing = message.refvlm.as_ref();
        let task = pointing.and_then(|pointing| pointing.task);
        let prompts = pointing.map(|pointing| pointing.prompts.clone()).unwrap_or_default();
        let asking = move |size| {
            let prompts = given(&prompts, size)?;
            Ok(Ask { sampling, budget, ..completed(task, &words, prompts) })
        };
        Ok(Self {
            photo,
            asking: Box::new(asking),
            stream: chat.stream.unwrap_or(false),
            with_usage: chat.stream_options.as_ref().is_some_and(|options| options.include_usage),
            notes: chat.notes(last),
        })
    }
}

impl Chat {
    fn refuse_what_is_not_there(&self) -> Result<(), Failure> {
        let refuse = |field: &str, problem: &str| Err(Failure::field(Kind::Value, field, problem));
        if self.n.is_some_and(|n| n != 1) {
            return refuse("n", "one answer is given to a request; ask several times");
        }
        if self.logprobs == Some(true) {
            return refuse("logprobs", "probabilities of tokens are not given; leave it out");
        }
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return refuse("tools", "the model calls no tools; leave it out");
        }
        match &self.response_format {
            Some(form) if form.kind != "text" => {
                let problem =
                    "answers are texts, with what they show in message.refvlm; leave it out";
                refuse("response_format", problem)
            }
            _ => Ok(()),
        }
    }

    fn sampling(&self) -> Result<Sampling, Failure> {
        let sampling = Sampling {
            temperature: self.temperature.unwrap_or(0.0),
            top_p: self.top_p.unwrap_or(1.0),
            seed: self.seed.unwrap_or(0) as u64,
            ..Sampling::default()
        };
        sampling.check()?;
        Ok(sampling)
    }

    fn budget(&self, most: usize) -> Result<usize, Failure> {
        let usual = Ask::new(Task::Vqa, "", Vec::new()).budget.min(most);
        let asked = self.max_completion_tokens.or(self.max_tokens);
        let asked = asked.map_or(Some(usual), |asked| usize::try_from(asked).ok());
        asked.filter(|asked| (1..=most).contains(asked)).ok_or_else(|| {
            let field = match self.max_completion_tokens {
                Some(_) => "max_completion_tokens",
                None => "max_tokens",
            };
            Failure::field(Kind::Value, field, format!("give a number from 1 to {most}"))
        })
    }

    /// What a reader of the answer should know was left out.
    fn notes(&self, last: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.messages.iter().any(|m| m.role == "system" || m.role == "developer") {
            notes.push("system messages are not read: the model knows its tasks alone".to_string());
        }
        let before = self.messages.iter().take(last);
        if before.filter(|m| m.role == "user" || m.role == "assistant").count() > 0 {
            let note = "only the last question was asked: each stands alone, without those before";
            notes.push(note.to_string());
        }
        notes
    }
}

/// The picture of the last message up to the question that has one.
fn photo(messages: &[Message], last: usize) -> Result<Photo, Failure> {
    for (at, message) in messages.iter().enumerate().take(last + 1).rev() {
        let Some(Content::Parts(parts)) = &message.content else { continue };
        let field = |part: usize| format!("messages[{at}].content[{part}].image_url");
        let mut found: Option<Photo> = None;
        for (number, part) in parts.iter().enumerate().filter(|(_, p)| p.kind == "image_url") {
            let Some(link) = &part.image_url else {
                let problem = "missing; write {\"url\": \"data:image/png;base64,...\"}";
                return Err(Failure::field(Kind::NoPicture, field(number), problem));
            };
            if found.is_some() {
                let problem = "a question is about one picture; ask about each by itself";
                return Err(Failure::field(Kind::NoPicture, field(number), problem));
            }
            found = Some(from_url(link.url(), &field(number))?);
        }
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let problem = "no picture; add a part {\"type\": \"image_url\", \"image_url\": {\"url\": \
        \"data:image/png;base64,...\"}} to the user's message";
    Err(Failure::field(Kind::NoPicture, "messages", problem))
}

/// The words of a message.
fn words(message: &Message, at: usize) -> Result<String, Failure> {
    match &message.content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text.clone()),
        Some(Content::Parts(parts)) => {
            let mut texts = Vec::new();
            for (number, part) in parts.iter().enumerate() {
                match (part.kind.as_str(), &part.text) {
                    ("text", Some(text)) => texts.push(text.as_str()),
                    ("image_url", _) => {}
                    ("text", None) => {
                        let field = format!("messages[{at}].content[{number}].text");
                        return Err(Failure::field(Kind::Value, field, "missing; write the words"));
                    }
                    (other, _) => {
                        let field = format!("messages[{at}].content[{number}].type");
                        let problem = format!("'{other}' is not read; use text or image_url");
                        return Err(Failure::field(Kind::Value, field, problem));
                    }
                }
            }
            Ok(texts.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::Prompt;
    use serde_json::json;

    fn wanted(chat: Value) -> Result<Wanted, Failure> {
        let chat: Chat = parse(chat.to_string().as_bytes())?;
        Wanted::new(&chat, "pocket", 300)
    }

    fn user(text: &str, more: Value) -> Value {
        let image = json!({"type": "image_url", "image_url": {"url": "data:;base64,YWJj"}});
        let content = json!([{"type": "text", "text": text}, image]);
        json!({"role": "user", "content": content, "refvlm": more})
    }

    #[test]
    fn the_last_question_is_asked_about_the_last_picture() {
        let chat = json!({
            "model": "refvlm", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3,
            "messages": [
                {"role": "system", "content": "Be short."},
                user("What is it?", json!({})),
                {"role": "assistant", "content": "A dog."},
                {"role": "user", "content": "Segment the dog.", "refvlm": {"prompts": [
                    {"kind": "point", "x": 1, "y": 2}]}},
            ],
        });
        let wanted = wanted(chat).unwrap();
        assert_eq!(&*wanted.photo.bytes, b"abc");
        assert!(!wanted.stream && wanted.notes.len() == 2);
        let ask = (wanted.asking)([10, 10]).unwrap();
        assert_eq!(
            (ask.task, ask.text.as_str()),
            (Task::GroundingSegmentation, "Segment the dog.")
        );
        assert_eq!(ask.prompts, [Prompt::Point { x: 1.0, y: 2.0 }]);
        let sampling = Sampling { temperature: 0.5, top_p: 0.9, seed: 3, ..Sampling::default() };
        assert_eq!((ask.budget, ask.sampling), (7, sampling));
    }

    #[test]
    fn a_task_can_be_chosen_and_words_left_out() {
        let chat = json!({"messages": [user("", json!({"task": "depth"}))], "stream": true});
        let wanted = wanted(chat).unwrap();
        let ask = (wanted.asking)([10, 10]).unwrap();
        assert_eq!((ask.task, ask.budget, wanted.stream), (Task::Depth, 192, true));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let with = |field: &str, value: Value| {
            let mut chat = json!({"messages": [user("What is it?", json!({}))]});
            chat[field] = value;
            chat
        };
        let system = json!([{"role": "system", "content": "x"}]);
        let link = json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "http://10.0.0.1/a.png"}}]}]);
        let sound = json!([{"role": "user", "content": [{"type": "input_audio"},
            {"type": "image_url", "image_url": "data:;base64,YWJj"}]}]);
        let two = json!([{"role": "user", "content": [
            {"type": "image_url", "image_url": "data:;base64,YWJj"},
            {"type": "image_url", "image_url": "data:;base64,YWJj"}]}]);
        let cases = [
            (with("model", json!("gpt-4o")), Kind::Model, "model: there is no model 'gpt-4o'"),
            (with("n", json!(2)), Kind::Value, "n: one answer"),
            (with("tools", json!([{}])), Kind::Value, "tools: "),
            (with("max_tokens", json!(0)), Kind::Value, "max_tokens: give a number from 1 to 300"),
            (with("temperature", json!(-1)), Kind::Question, "temperature: "),
            (with("response_format", json!({"type": "json_object"})), Kind::Value, "response_"),
            (with("messages", json!([])), Kind::Value, "messages: no message"),
            (with("messages", system), Kind::Value, "messages: no message"),
            (
                with("messages", json!([{"role": "user", "content": "x"}])),
                Kind::NoPicture,
                "no pict",
            ),
            (with("messages", link), Kind::Url, "messages[0].content[0].image_url: http(s)"),
            (with("messages", sound), Kind::Value, "'input_audio' is not read"),
            (
                with("messages", two),
                Kind::NoPicture,
                "messages[0].content[1].image_url: a question",
            ),
            (with("messages", json!("x")), Kind::Json, "of another form"),
        ];
        for (chat, kind, words) in cases {
            let failure = wanted(chat).err().unwrap();
            assert!(failure.message.contains(words), "{}", failure.message);
            assert_eq!(failure.kind, kind, "{}", failure.message);
        }
    }
}
