//! Label Studio's machine learning backend, for interactive segmentation.
//!
//! The calls are those of its own server (`label_studio_ml/api.py` in HumanSignal/
//! label-studio-ml-backend): `/setup` when it is connected, `/predict` with what a person just
//! clicked, `/health`. What a click looks like is in its example of SAM
//! (`label_studio_ml/examples/segment_anything_model`).

mod config;
mod fetch;
mod rle;

use crate::app::App;
use crate::failure::{Failure, Kind};
use crate::interact::{Clicks, Found, polygons, segment};
use crate::json::parse;
use crate::reply;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use config::{Config, Control, Shape};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
struct Predict {
    #[serde(default)]
    tasks: Vec<Task>,
    #[serde(default)]
    label_config: Option<String>,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Task {
    #[serde(default)]
    data: Map<String, Value>,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    context: Option<Context>,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    result: Vec<Click>,
}

/// A region that a person drew with a smart tool.
#[derive(Deserialize)]
struct Click {
    #[serde(rename = "type")]
    kind: String,
    original_width: u32,
    original_height: u32,
    value: ClickValue,
    #[serde(default)]
    is_positive: Option<bool>,
    #[serde(default)]
    from_name: Option<String>,
    #[serde(default)]
    to_name: Option<String>,
}

#[derive(Deserialize)]
struct ClickValue {
    /// Percent of the picture's sides.
    x: Option<f32>,
    y: Option<f32>,
    width: Option<f32>,
    height: Option<f32>,
    rle: Option<Vec<u8>>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Click {
    fn label(&self) -> Option<&str> {
        let under = |key: &str| self.value.more.get(key)?.get(0)?.as_str();
        under(&self.kind).or_else(|| under("labels"))
    }
}

/// Says which model there is.
///
/// # Errors
/// When the request may not ask, or is not JSON.
pub async fn setup(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let (_place, body) = app.body(request, app.deadline()).await?;
    parse::<Value>(&body)?;
    Ok(reply::json(StatusCode::OK, &json!({ "model_version": app.card.id })))
}

/// Takes note of nothing: the model doesn't learn from annotations.
///
/// # Errors
/// When the request may not ask.
pub async fn webhook(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let (_place, body) = app.body(request, app.deadline()).await?;
    parse::<Value>(&body)?;
    Ok(reply::json(StatusCode::OK, &json!({ "status": "this model does not learn here" })))
}

/// Answers a click by a region.
///
/// # Errors
/// When the request cannot be used, or its picture cannot be fetched.
pub async fn predict(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let deadline = app.deadline();
    let (place, body) = app.body(request, deadline).await?;
    let app_of_fetch = app.clone();
    let read = move || {
        let predict: Predict = parse(&body)?;
        drop(body);
        let context = predict.params.and_then(|params| params.context).unwrap_or_default();
        let Some(last) = context.result.last() else { return Ok(None) };
        let config = predict.label_config.as_deref().map(Config::read).transpose()?;
        let config = config.unwrap_or_default();
        let label = last.label().map(String::from);
        let control = config.control(label.as_deref()).unwrap_or_else(|| Control {
            shape: Shape::Brush,
            name: last.from_name.clone().unwrap_or_else(|| "tag".into()),
            to: last.to_name.clone().unwrap_or_else(|| "image".into()),
            labels: Vec::new(),
        });
        let pixels = app_of_fetch.settings.limits.pixels;
        let clicks = clicks(&context.result, pixels)?;
        let photo = fetch::photo(&app_of_fetch, &predict.tasks, &config, deadline)?;
        Ok(Some((photo, clicks, control, label)))
    };
    let read = tokio::task::spawn_blocking(read);
    let read = app.within(deadline, read).await?.unwrap_or_else(|_| Err(Failure::lost()));
    // Nobody clicked yet, as when a task is opened.
    let Some((photo, clicks, control, label)) = read? else {
        return Ok(reply::json(StatusCode::OK, &json!({ "results": [] })));
    };
    let found = segment(&app, place, photo, clicks, deadline).await?;
    let score = found.as_ref().map_or(0.0, |found| found.confidence);
    let number = app.number();
    let write = move || {
        let regions = found.iter().flat_map(|f| regions(f, &control, label.as_deref(), &number));
        regions.collect::<Vec<Value>>()
    };
    let regions = tokio::task::spawn_blocking(write).await.map_err(|_| Failure::lost())?;
    let prediction = json!({ "result": regions, "model_version": app.card.id, "score": score });
    Ok(reply::json(StatusCode::OK, &json!({ "results": [prediction] })))
}

/// What was clicked on, as shares of the picture's sides.
fn clicks(list: &[Click], pixels: u64) -> Result<Clicks, Failure> {
    let mut clicks = Clicks { shares: true, ..Clicks::default() };
    for (at, click) in list.iter().enumerate() {
        let missing = |what: &str| {
            let field = format!("params.context.result[{at}].value");
            Failure::field(Kind::Prompt, field, format!("{what} is missing; send it in percent"))
        };
        let share =
            |value: Option<f32>, what| value.map(|v| v / 100.0).ok_or_else(|| missing(what));
        let value = &click.value;
        match click.kind.as_str() {
            "keypointlabels" | "keypoint" => {
                let place = [share(value.x, "x")?, share(value.y, "y")?];
                match click.is_positive.unwrap_or(true) {
                    true => clicks.positive.push(place),
                    false => clicks.negative.push(place),
                }
            }
            "rectanglelabels" | "rectangle" => {
                let [x, y] = [share(value.x, "x")?, share(value.y, "y")?];
                let sides = [share(value.width, "width")?, share(value.height, "height")?];
                clicks.rectangle = Some([x, y, sides[0], sides[1]]);
            }
            "brushlabels" | "brush" => {
                let runs = value.rle.as_deref().ok_or_else(|| missing("rle"))?;
                let size = [click.original_width, click.original_height];
                let field = format!("params.context.result[{at}].value.rle");
                let mask = rle::decode(runs, size, pixels)
                    .map_err(|problem| Failure::field(Kind::Prompt, field, problem))?;
                clicks.region = Some(mask.to_rle());
            }
            other => {
                let field = format!("params.context.result[{at}].type");
                let problem = format!(
                    "'{other}' is not read; use KeyPointLabels, RectangleLabels or BrushLabels with \
                     smart=\"true\""
                );
                return Err(Failure::field(Kind::Prompt, field, problem));
            }
        }
    }
    Ok(clicks)
}

/// The regions of what was found, in the shape of a control tag.
fn regions(found: &Found, control: &Control, label: Option<&str>, number: &str) -> Vec<Value> {
    let (width, height) = (found.mask.width, found.mask.height);
    let percent = |[x, y]: [f32; 2]| [x / width as f32 * 100.0, y / height as f32 * 100.0];
    let mut values = Vec::new();
    match control.shape {
        Shape::Brush => values.push(json!({ "format": "rle", "rle": rle::encode(&found.mask) })),
        Shape::Polygon => {
            for points in polygons(&found.mask) {
                let points: Vec<[f32; 2]> = points.into_iter().map(percent).collect();
                values.push(json!({ "points": points, "closed": true }));
            }
        }
        Shape::Rectangle => {
            let Some(bounds) = found.mask.bounds() else { return values };
            let [x, y, w, h] = bounds.map(|v| v as f32);
            let ([x, y], [w, h]) = (percent([x, y]), percent([w, h]));
            values.push(json!({ "x": x, "y": y, "width": w, "height": h, "rotation": 0 }));
        }
    }
    let region = |(at, mut value): (usize, Value)| {
        if let Some(label) = label {
            value[control.shape.kind()] = json!([label]);
        }
        json!({
            "id": format!("{number}-{at}"),
            "from_name": control.name,
            "to_name": control.to,
            "type": control.shape.kind(),
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": value,
            "score": found.confidence,
            "readonly": false,
        })
    };
    values.into_iter().enumerate().map(region).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::Mask;
    use refvlm_record::raster::fill_box;

    fn found() -> Found {
        let mut mask = Mask::zeros(20, 10);
        fill_box(&mut mask, [2.0, 1.0, 8.0, 6.0], 1);
        Found { mask, confidence: 0.75 }
    }

    fn control(shape: Shape) -> Control {
        Control { shape, name: "tag".into(), to: "image".into(), labels: Vec::new() }
    }

    #[test]
    fn regions_have_the_shape_of_their_tag() {
        let of = |shape| regions(&found(), &control(shape), Some("Cat"), "7");
        let brush = &of(Shape::Brush)[0];
        assert_eq!(brush["type"], "brushlabels");
        assert_eq!(brush["value"]["brushlabels"], json!(["Cat"]));
        let runs: Vec<u8> = serde_json::from_value(brush["value"]["rle"].clone()).unwrap();
        assert_eq!(rle::decode(&runs, [20, 10], 1000).unwrap(), found().mask);
        let rectangle = &of(Shape::Rectangle)[0]["value"];
        assert_eq!(rectangle["x"], 10.0);
        assert!((rectangle["height"].as_f64().unwrap() - 60.0).abs() < 1e-4);
        let polygon = &of(Shape::Polygon)[0]["value"]["points"];
        assert!(polygon.as_array().unwrap().len() >= 4);
    }

    #[test]
    fn clicks_are_shares() {
        let click = |text: &str| serde_json::from_str::<Click>(text).unwrap();
        let size = "\"original_width\":20,\"original_height\":10";
        let list = [
            click(&format!(
                r#"{{"type":"keypointlabels",{size},"is_positive":true,
                "value":{{"x":50,"y":25,"width":0.3,"keypointlabels":["Cat"]}}}}"#
            )),
            click(&format!(
                r#"{{"type":"keypointlabels",{size},"is_positive":false,
                "value":{{"x":10,"y":10,"keypointlabels":["Cat"]}}}}"#
            )),
            click(&format!(
                r#"{{"type":"rectanglelabels",{size},
                "value":{{"x":50,"y":50,"width":10,"height":20,"rectanglelabels":["Dog"]}}}}"#
            )),
        ];
        let found = clicks(&list, 1000).unwrap();
        assert_eq!((found.positive, found.negative), (vec![[0.5, 0.25]], vec![[0.1, 0.1]]));
        assert_eq!(found.rectangle, Some([0.5, 0.5, 0.1, 0.2]));
        assert_eq!(list[2].label(), Some("Dog"));
        let other = [click(&format!(r#"{{"type":"ellipse",{size},"value":{{}}}}"#))];
        assert_eq!(clicks(&other, 1000).unwrap_err().kind, Kind::Prompt);
    }
}
