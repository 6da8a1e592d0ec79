//! Taking the place that the environment gives.

use crate::Collective;
use crate::connected::alone;
use crate::error::RankError;
use crate::place::Place;
use crate::tcp::{self, Lost};

/// Joins the other ranks of a run, in the place that the environment gives this process, and waits
/// for them. Without a word in the environment this is a run of one rank.
///
/// With feature `mpi`, processes that Open MPI started are connected by it; all others, and all
/// without that feature, by TCP. `lost` is called from another thread when a rank is lost, where
/// that is noticed between operations: whatever this process computes then is in vain.
///
/// # Errors
/// When the environment is wrong or ranks do not find each other.
pub fn join(lost: Lost) -> Result<Box<dyn Collective>, RankError> {
    #[cfg(feature = "mpi")]
    if std::env::var_os("OMPI_COMM_WORLD_RANK").is_some() {
        return Ok(Box::new(crate::mpi::join()?));
    }
    let place = Place::from_environment()?;
    Ok(match place.size {
        1 => Box::new(alone()),
        _ => Box::new(tcp::join(&place, lost)?),
    })
}
