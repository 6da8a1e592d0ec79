//! A project's labelling configuration: where the picture is, and in what shape regions come back.

use crate::failure::{Failure, Kind};
use xml::reader::{EventReader, XmlEvent};

/// More elements than a configuration has.
const MOST_ELEMENTS: usize = 10_000;

/// The shape of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Painted pixels.
    Brush,
    /// A closed line.
    Polygon,
    /// A rectangle.
    Rectangle,
}

impl Shape {
    /// What a result calls it.
    pub fn kind(self) -> &'static str {
        match self {
            Shape::Brush => "brushlabels",
            Shape::Polygon => "polygonlabels",
            Shape::Rectangle => "rectanglelabels",
        }
    }

    fn of(tag: &str) -> Option<Self> {
        match tag {
            "BrushLabels" => Some(Shape::Brush),
            "PolygonLabels" => Some(Shape::Polygon),
            "RectangleLabels" => Some(Shape::Rectangle),
            _ => None,
        }
    }
}

/// A tag that regions belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// The shape of its regions.
    pub shape: Shape,
    /// Its name.
    pub name: String,
    /// The name of the picture's tag.
    pub to: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// What of a configuration matters here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The field of a task's data that holds the picture.
    pub field: Option<String>,
    controls: Vec<Control>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is not XML.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |problem: String| Failure::field(Kind::Value, "label_config", problem);
        let mut config = Self::default();
        let mut open: Option<usize> = None;
        for (count, event) in EventReader::new(text.as_bytes()).into_iter().enumerate() {
            let event =
                event.map_err(|e| wrong(format!("not XML ({e}); send the project's own")))?;
            if count > MOST_ELEMENTS {
                return Err(wrong("too long; send the project's own".into()));
            }
            let XmlEvent::StartElement { name, attributes, .. } = event else { continue };
            let value = |key: &str| {
                let found = attributes.iter().find(|a| a.name.local_name == key);
                found.map(|a| a.value.clone())
            };
            match name.local_name.as_str() {
                "Image" if config.field.is_none() => {
                    config.field = value("value").map(|v| v.trim_start_matches('$').to_string());
                }
                "Label" => {
                    let control = open.and_then(|at| config.controls.get_mut(at));
                    if let Some((control, label)) = control.zip(value("value")) {
                        control.labels.push(label);
                    }
                }
                tag => {
                    open = Shape::of(tag).and_then(|shape| {
                        let (name, to) = value("name").zip(value("toName"))?;
                        config.controls.push(Control { shape, name, to, labels: Vec::new() });
                        Some(config.controls.len() - 1)
                    });
                }
            }
        }
        Ok(config)
    }

    /// The tag that a region with this label goes to: painted or a line, whichever comes first and
    /// knows the label; else a rectangle.
    pub fn control(&self, label: Option<&str>) -> Option<Control> {
        let knows = |control: &&Control| {
            label.is_none_or(|label| control.labels.iter().any(|known| known == label))
        };
        let drawn = |control: &&Control| control.shape != Shape::Rectangle;
        let known = self.controls.iter().filter(drawn).find(knows);
        let any = || self.controls.iter().find(drawn);
        let rectangle = || self.controls.iter().find(knows);
        known.or_else(rectangle).or_else(any).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `_TEST_CONFIG` of label_studio_ml/examples/segment_anything_model/test_predict.py.
    const PUBLISHED: &str = r##"
<View>
    <Image name="image" value="$image" zoom="true"/>
    <BrushLabels name="tag" toName="image">
        <Label value="Banana" background="#FF0000"/>
        <Label value="Orange" background="#0d14d3"/>
    </BrushLabels>
    <KeyPointLabels name="tag2" toName="image" smart="true" >
        <Label value="Banana" background="#000000" showInline="true"/>
        <Label value="Orange" background="#000000" showInline="true"/>
    </KeyPointLabels>
    <RectangleLabels name="tag3" toName="image"  >
        <Label value="Banana" background="#000000" showInline="true"/>
        <Label value="Orange" background="#000000" showInline="true"/>
    </RectangleLabels>
</View>
"##;

    #[test]
    fn a_published_configuration_is_read() {
        let config = Config::read(PUBLISHED).unwrap();
        assert_eq!(config.field.as_deref(), Some("image"));
        let control = config.control(Some("Orange")).unwrap();
        assert_eq!((control.shape, control.name.as_str()), (Shape::Brush, "tag"));
        assert_eq!((control.to.as_str(), control.labels.len()), ("image", 2));
    }

    #[test]
    fn a_region_goes_where_its_label_is_known() {
        let text = r#"<View><Image name="i" value="$photo"/>
            <PolygonLabels name="p" toName="i"><Label value="Cat"/></PolygonLabels>
            <BrushLabels name="b" toName="i"><Label value="Dog"/></BrushLabels>
            <RectangleLabels name="r" toName="i"><Label value="Car"/></RectangleLabels></View>"#;
        let config = Config::read(text).unwrap();
        let name = |label| config.control(label).map(|control| control.name);
        assert_eq!(name(Some("Cat")).as_deref(), Some("p"));
        assert_eq!(name(Some("Dog")).as_deref(), Some("b"));
        assert_eq!(name(Some("Car")).as_deref(), Some("r"));
        assert_eq!(name(Some("Bus")).as_deref(), Some("p"));
        assert_eq!(Config::default().control(None), None);
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        assert_eq!(Config::read("<View><Image").unwrap_err().kind, Kind::Value);
    }
}
