//! Elements as a plan pins them: made by name, with properties given as text.

use std::collections::BTreeMap;

use gst::{glib, prelude::*};

use super::fault;
use crate::protocol::Failure;

/// Stands in a setting for the number of threads that the job may use.
const THREADS: &str = "{threads}";

/// Makes an element by name.
///
/// # Errors
/// `element_unavailable` when it does not exist here.
pub(crate) fn make(name: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(name).build().map_err(|error| fault::element(name, error))
}

/// Makes an encoder with the settings of a plan.
///
/// # Errors
/// `element_unavailable` when the element or a property does not exist, or a value does not fit.
pub(crate) fn encoder(name: &str, settings: &BTreeMap<String, String>, threads: u32) -> Result<gst::Element, Failure> {
    let element = make(name)?;
    for (property, template) in settings {
        let text = template.replace(THREADS, &threads.max(1).to_string());
        set(&element, property, &text).map_err(|detail| fault::element(name, detail))?;
    }
    Ok(element)
}

/// Sets a property that not every element has; tells whether this one does.
pub(crate) fn set_if_there(element: &gst::Element, property: &str, text: &str) -> bool {
    set(element, property, text).is_ok()
}

fn set(element: &gst::Element, property: &str, text: &str) -> Result<(), String> {
    let spec = element.find_property(property).ok_or_else(|| format!("it has no property {property}"))?;
    if !spec.flags().contains(glib::ParamFlags::WRITABLE) {
        return Err(format!("its property {property} cannot be set"));
    }
    let value = glib::Value::deserialize_with_pspec(text, &spec)
        .map_err(|_| format!("its property {property} cannot be {text:?}"))?;
    element.set_property_from_value(property, &value);
    Ok(())
}
