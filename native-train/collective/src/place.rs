//! Which rank a process is, as whatever started it says in the environment.

use crate::error::RankError;
use std::time::Duration;

/// Where rank 0 listens when nobody says otherwise: PyTorch's default.
const PORT: u16 = 29_500;
/// How long a rank may keep the others waiting.
const LONGEST_WAIT_S: u64 = 1800;

/// The place of a process among the ranks of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Number of this rank, from 0.
    pub rank: usize,
    /// How many ranks there are.
    pub size: usize,
    /// Number of this rank among those of its host: which of the host's devices is its own.
    pub local_rank: usize,
    /// Host where rank 0 listens for the others.
    pub host: String,
    /// Port of rank 0.
    pub port: u16,
}

/// Names of the variables that say rank, number of ranks, and rank on the host. The first whose
/// rank is set counts. SLURM's are those that `srun` sets for a step: inside a batch script,
/// outside of any step, one process stands alone.
const STARTERS: [[&str; 3]; 4] = [
    ["RANK", "WORLD_SIZE", "LOCAL_RANK"],
    ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"],
    ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"],
    ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"],
];

impl Place {
    /// The place of this process: the only rank where nothing in the environment says otherwise.
    ///
    /// `RANK`, `WORLD_SIZE` and `LOCAL_RANK` are read first, then what `mpirun` of Open MPI, of
    /// MPICH or Intel MPI, and `srun` set. `MASTER_ADDR` and `MASTER_PORT` say where rank 0
    /// listens; without them it is this host, port 29500.
    ///
    /// # Errors
    /// Names the variable that is missing or not a number.
    pub fn from_environment() -> Result<Self, RankError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`Place::from_environment`], of given variables.
    ///
    /// # Errors
    /// As [`Place::from_environment`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, RankError> {
        let failed = RankError::Environment;
        let number = |name: &str| match variable(name) {
            Some(text) => match text.trim().parse::<usize>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(failed(format!("{name}={text}: not a number; correct or unset it"))),
            },
            None => Ok(None),
        };
        let port = number("MASTER_PORT")?.unwrap_or(usize::from(PORT));
        let Ok(port) = u16::try_from(port) else {
            return Err(failed(format!("MASTER_PORT={port}: ports go to 65535; choose another")));
        };
        let host = variable("MASTER_ADDR").unwrap_or_else(|| "127.0.0.1".into());
        for [rank_name, size_name, local_name] in STARTERS {
            // A batch script of SLURM has a rank but is no step.
            let in_step = !rank_name.starts_with("SLURM") || variable(size_name).is_some();
            let Some(rank) = number(rank_name)?.filter(|_| in_step) else { continue };
            let Some(size) = number(size_name)? else {
                return Err(failed(format!("{rank_name} is set and {size_name} is not; set both")));
            };
            if rank >= size {
                let problem =
                    format!("{rank_name}={rank} with {size_name}={size}: ranks count from 0");
                return Err(failed(format!("{problem}; correct one of them")));
            }
            let local_rank = number(local_name)?.unwrap_or(0);
            return Ok(Self { rank, size, local_rank, host, port });
        }
        Ok(Self { rank: 0, size: 1, local_rank: 0, host, port })
    }
}

/// How long a rank that lives may keep the others waiting: `REFVLM_RANK_WAIT_S` or half an hour.
pub(crate) fn longest_wait() -> Duration {
    let seconds = std::env::var("REFVLM_RANK_WAIT_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(LONGEST_WAIT_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Place, String> {
        let find = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_string());
        Place::from_variables(find).map_err(|e| e.to_string())
    }

    #[test]
    fn each_way_of_starting_is_understood() {
        let numbers = |place: Place| (place.rank, place.size, place.local_rank);
        let of = |variables: &[(&str, &str)]| numbers(place(variables).unwrap());
        assert_eq!(of(&[]), (0, 1, 0));
        assert_eq!(of(&[("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")]), (5, 8, 1));
        let open_mpi = [
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "3"),
        ];
        assert_eq!(of(&open_mpi), (3, 4, 3));
        assert_eq!(of(&[("PMI_RANK", "1"), ("PMI_SIZE", "2")]), (1, 2, 0));
        let srun = [("SLURM_PROCID", "2"), ("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_LOCALID", "0")];
        assert_eq!(of(&srun), (2, 4, 0));
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")]), (0, 1, 0));

        let far = [("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "7")];
        let far = place(&far).unwrap();
        assert_eq!((far.host.as_str(), far.port), ("a", 7));
    }

    #[test]
    fn a_half_said_place_is_refused_with_the_variable() {
        let refused = |variables: &[(&str, &str)]| place(variables).unwrap_err();
        assert!(refused(&[("RANK", "1")]).contains("WORLD_SIZE is not"));
        assert!(refused(&[("RANK", "x"), ("WORLD_SIZE", "2")]).contains("RANK=x"));
        assert!(refused(&[("RANK", "2"), ("WORLD_SIZE", "2")]).contains("from 0"));
        assert!(refused(&[("MASTER_PORT", "70000")]).contains("65535"));
    }
}
