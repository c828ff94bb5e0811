//! What a process needs, counted at the allocator and told by the system.

use std::fs;

use peak_alloc::PeakAlloc;
use serde::{Deserialize, Serialize};

use crate::progress::size;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// A process before the message: what is there already is not on the message's account.
pub(crate) struct Before {
    heap: usize,
    resident: Option<u64>,
}

/// What a process needed while the message passed through it, in octets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Most on the heap, beyond what was there before: the message, the files, and the buffers of HTTP.
    heap: u64,
    /// In physical memory before, and at most; where the system tells it.
    resident: Option<(u64, u64)>,
}

impl Before {
    pub(crate) fn now() -> Self {
        HEAP.reset_peak_usage();
        Self { heap: HEAP.current_usage(), resident: status("VmRSS:") }
    }

    pub(crate) fn until_now(&self) -> Memory {
        let heap = u64::try_from(HEAP.peak_usage().saturating_sub(self.heap)).unwrap_or(u64::MAX);
        Memory { heap, resident: self.resident.zip(status("VmHWM:")) }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of heap at most, buffers of HTTP included", size(self.heap))?;
        match self.resident {
            Some((before, peak)) => write!(f, "; resident {} before, {} at most", size(before), size(peak)),
            None => Ok(()),
        }
    }
}

/// A line of `/proc/self/status` (proc(5)), where there is one.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
