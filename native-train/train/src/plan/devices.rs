//! Devices and what connects them, from data sheets.

use thiserror::Error;

/// Some equal devices of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct Devices {
    /// How many.
    pub count: usize,
    /// Name, such as `H100`.
    pub name: String,
    /// Memory of each, bytes.
    pub memory: u64,
    /// Operations a second in f32, dense, without tensor cores.
    pub f32_per_s: f64,
    /// Operations a second in bf16, dense.
    pub bf16_per_s: f64,
    /// Bytes a second that one device can send to the others.
    pub link_per_s: f64,
}

/// Name, 10^12 operations a second in f32 and bf16, GB a second to the other devices of the host.
/// Of the data sheets: H100 SXM and A100 SXM by NVLink, the others by PCIe 4.0 x16.
const KNOWN: [(&str, f64, f64, f64); 6] = [
    ("H100", 67.0, 989.0, 450.0),
    ("H200", 67.0, 989.0, 450.0),
    ("A100", 19.5, 312.0, 300.0),
    ("L40S", 91.6, 362.0, 32.0),
    ("RTX4090", 82.6, 165.2, 32.0),
    ("RTX3090", 35.6, 71.0, 32.0),
];

/// Why devices cannot be understood.
#[derive(Debug, Error, PartialEq)]
pub enum DevicesError {
    /// The text has another form.
    #[error("`{0}`: devices are written as 8xH100-80G: how many, which, how much memory each")]
    Form(String),
    /// Nothing is known of such a device.
    #[error("nothing is known of `{name}`; known are {known}")]
    Unknown {
        /// The name given.
        name: String,
        /// The names that are known.
        known: String,
    },
}

impl std::str::FromStr for Devices {
    type Err = DevicesError;

    /// Reads `8xH100-80G`. G are 2^30 bytes.
    fn from_str(text: &str) -> Result<Self, DevicesError> {
        let read = || {
            let (count, rest) = text.split_once('x')?;
            let (name, memory) = rest.rsplit_once('-')?;
            let gib: u64 = memory.strip_suffix(['G', 'g'])?.parse().ok()?;
            let count: usize = count.parse().ok()?;
            (count > 0 && gib > 0 && gib < 1 << 20).then_some((count, name, gib << 30))
        };
        let (count, name, memory) = read().ok_or_else(|| DevicesError::Form(text.into()))?;
        let found = KNOWN.iter().find(|known| known.0.eq_ignore_ascii_case(name));
        let Some(&(name, f32_tera, bf16_tera, link_giga)) = found else {
            let known = KNOWN.map(|known| known.0).join(", ");
            return Err(DevicesError::Unknown { name: name.into(), known });
        };
        Ok(Self {
            count,
            name: name.into(),
            memory,
            f32_per_s: f32_tera * 1e12,
            bf16_per_s: bf16_tera * 1e12,
            link_per_s: link_giga * 1e9,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_others_refused() {
        let devices: Devices = "8xH100-80G".parse().unwrap();
        assert_eq!((devices.count, devices.memory), (8, 80 << 30));
        assert_eq!(devices.link_per_s, 450e9);
        assert_eq!("4xrtx4090-24G".parse::<Devices>().unwrap().name, "RTX4090");
        for wrong in ["H100", "8xH100", "0xH100-80G", "8xH100-80", "ax-1G", "8xH100-0G"] {
            assert_eq!(wrong.parse::<Devices>(), Err(DevicesError::Form(wrong.into())));
        }
        let unknown = "1xTPU-16G".parse::<Devices>().unwrap_err().to_string();
        assert!(unknown.contains("H100, H200"), "{unknown}");
    }
}
