//! CVAT's interactors.
//!
//! CVAT knows its models as functions of Nuclio. The call is that of its own functions
//! (`serverless/pytorch/facebookresearch/sam/nuclio/main.py` in cvat-ai/cvat): `image`, `pos_points`,
//! `neg_points`, `obj_bbox` in, `mask` and `points` out. Besides, the three addresses of Nuclio's
//! dashboard that CVAT uses (`cvat/apps/lambda_manager/views.py`) are there, so that a CVAT whose
//! `CVAT_NUCLIO_HOST` and `CVAT_NUCLIO_PORT` name this server lists it and calls it, without Nuclio.

use crate::app::App;
use crate::failure::{Failure, Kind};
use crate::interact::{Clicks, polygons, segment};
use crate::json::parse;
use crate::photos::from_base64;
use crate::reply;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode};
use refvlm_record::Mask;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What CVAT calls the function.
pub const FUNCTION: &str = "refvlm";

#[derive(Deserialize)]
struct Call {
    image: String,
    #[serde(default)]
    pos_points: Option<Vec<[f32; 2]>>,
    #[serde(default)]
    neg_points: Option<Vec<[f32; 2]>>,
    #[serde(default)]
    obj_bbox: Option<Corners>,
}

/// Two corners, as pairs or in a row; CVAT sends an empty list where there is no box.
#[derive(Deserialize)]
#[serde(untagged, expecting = "obj_bbox must be [[x1, y1], [x2, y2]]")]
enum Corners {
    Row([f32; 4]),
    Pairs(Vec<[f32; 2]>),
}

impl Call {
    fn clicks(&self) -> Result<Clicks, Failure> {
        let corners = match &self.obj_bbox {
            None => None,
            Some(Corners::Row(row)) => Some(*row),
            Some(Corners::Pairs(pairs)) => match pairs.as_slice() {
                [] => None,
                [[x1, y1], [x2, y2]] => Some([*x1, *y1, *x2, *y2]),
                _ => {
                    let problem = "give two corners, [[x1, y1], [x2, y2]]";
                    return Err(Failure::field(Kind::Value, "obj_bbox", problem));
                }
            },
        };
        Ok(Clicks {
            positive: self.pos_points.clone().unwrap_or_default(),
            negative: self.neg_points.clone().unwrap_or_default(),
            rectangle: corners.map(|[x1, y1, x2, y2]| [x1, y1, x2 - x1, y2 - y1]),
            ..Clicks::default()
        })
    }
}

/// Calls the function.
///
/// # Errors
/// When the call cannot be used.
pub async fn call(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let deadline = app.deadline();
    let (place, body) = app.body(request, deadline).await?;
    let read = move || {
        let call: Call = parse(&body)?;
        Ok((from_base64(&call.image, "image")?, call.clicks()?))
    };
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(Failure::lost()));
    let (photo, clicks) = read?;
    let found = segment(&app, place, photo, clicks, deadline).await?;
    let write = move || match &found {
        Some(found) => written(&found.mask),
        None => r#"{"mask":[],"points":[],"shapes":[]}"#.to_string(),
    };
    let body = tokio::task::spawn_blocking(write).await.map_err(|_| Failure::lost())?;
    Ok(reply::of(StatusCode::OK, "application/json", body))
}

/// The mask as rows of 0 and 1, its largest polygon, and CVAT's own form of a mask.
fn written(mask: &Mask) -> String {
    let polygon = polygons(mask).into_iter().next().unwrap_or_default();
    let shape = json!([{
        "type": "mask",
        "points": cropped(mask),
        "group": 0,
        "source": "semi-auto",
        "attributes": [],
        "occluded": false,
        "rotation": 0,
    }]);
    // A value for each pixel of a large picture would take a hundred times the text.
    let mut text = String::with_capacity(mask.pixels.len() * 2 + 4096);
    text.push_str("{\"mask\":[");
    for (at, row) in mask.pixels.chunks_exact(mask.width.max(1) as usize).enumerate() {
        text.push_str(if at == 0 { "[" } else { ",[" });
        for (column, &pixel) in row.iter().enumerate() {
            if column > 0 {
                text.push(',');
            }
            text.push(if pixel == 0 { '0' } else { '1' });
        }
        text.push(']');
    }
    text + &format!("],\"points\":{},\"shapes\":{shape}}}", json!(polygon))
}

/// CVAT's form of a mask: run lengths of the rows within its bounds, zeros first, then left, top,
/// right and bottom, the last two inside.
fn cropped(mask: &Mask) -> Vec<u32> {
    let Some([x, y, w, h]) = mask.bounds() else { return Vec::new() };
    let (mut runs, mut value, mut run) = (Vec::new(), 0u8, 0u32);
    for row in y..y + h {
        for column in x..x + w {
            let at = row as usize * mask.width as usize + column as usize;
            let pixel = mask.pixels.get(at).copied().unwrap_or_default();
            if pixel != value {
                runs.push(run);
                (value, run) = (pixel, 0);
            }
            run += 1;
        }
    }
    runs.push(run);
    runs.extend([x, y, x + w - 1, y + h - 1]);
    runs
}

/// The function as Nuclio's dashboard describes it.
fn described(app: &App) -> Value {
    json!({
        "metadata": {
            "name": FUNCTION,
            "namespace": "nuclio",
            "labels": { "nuclio.io/project-name": "cvat" },
            "annotations": {
                "name": format!("REF-VLM {}", app.card.id),
                "type": "interactor",
                "framework": "burn",
                "spec": "",
                "version": "2",
                "min_pos_points": "0",
                "min_neg_points": "0",
                // CVAT takes any text for true, so what is not meant must be absent.
                "startswith_box_optional": "true",
                "help_message": "Click on a thing, or draw a box around it; a right click says what \
                    does not belong to it",
            },
        },
        "spec": { "description": "Masks of what is clicked on, by REF-VLM" },
        "status": { "state": "ready", "httpPort": app.settings.address.port() },
    })
}

/// The list of functions: one.
///
/// # Errors
/// When the request may not ask.
pub async fn functions(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    app.admit(request.headers())?;
    let list: Map<String, Value> = [(FUNCTION.to_string(), described(&app))].into_iter().collect();
    Ok(reply::json(StatusCode::OK, &list))
}

/// A function by its name.
///
/// # Errors
/// When the request may not ask, or there is none of that name.
pub async fn function(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    app.admit(request.headers())?;
    if name != FUNCTION {
        let message = format!("there is no function '{name}'; call {FUNCTION}");
        return Err(Failure::new(Kind::Place, message));
    }
    Ok(reply::json(StatusCode::OK, &described(&app)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::raster::fill_box;

    #[test]
    fn boxes_come_as_pairs_or_in_a_row_or_not_at_all() {
        let of = |more: &str| {
            let call: Call = parse(format!("{{\"image\":\"\"{more}}}").as_bytes()).unwrap();
            call.clicks().map(|clicks| clicks.rectangle)
        };
        let rect = Some([10.0, 20.0, 30.0, 40.0]);
        assert_eq!(of(",\"obj_bbox\":[[10,20],[40,60]]"), Ok(rect));
        assert_eq!(of(",\"obj_bbox\":[10,20,40,60]"), Ok(rect));
        for none in ["", ",\"obj_bbox\":null", ",\"obj_bbox\":[]"] {
            assert_eq!(of(none), Ok(None), "{none}");
        }
        assert!(of(",\"obj_bbox\":[[10,20]]").is_err());
    }

    #[test]
    fn a_mask_is_written_in_all_of_cvats_forms() {
        let mut mask = Mask::zeros(6, 4);
        fill_box(&mut mask, [1.0, 1.0, 3.0, 2.0], 1);
        mask.pixels[6 + 2] = 0;
        let value: Value = serde_json::from_str(&written(&mask)).unwrap();
        assert_eq!(value["mask"][1], json!([0, 1, 0, 1, 0, 0]));
        assert_eq!(value["mask"].as_array().unwrap().len(), 4);
        // Rows of the bounds: 101 and 111, then the corners.
        assert_eq!(value["shapes"][0]["points"], json!([0, 1, 1, 4, 1, 1, 3, 2]));
    }
}
