//! Reads how much memory this process may use: that of the machine, or less where a control group
//! (container, systemd) limits it.

use std::path::{Path, PathBuf};

/// The default limit as a share of the available memory (numerator, denominator).
pub const DEFAULT_SHARE: (usize, usize) = (1, 2);
/// Assumed when the system does not say how much memory it has, in bytes.
const FALLBACK: usize = 2 << 30;

/// The default memory limit in bytes: half of what this process may use, but at least
/// [`super::SMALLEST_LIMIT`].
#[must_use]
pub fn default_limit() -> usize {
    (available_to_process() / DEFAULT_SHARE.1 * DEFAULT_SHARE.0).max(super::SMALLEST_LIMIT)
}

/// The memory that this process may use, in bytes.
#[must_use]
pub fn available_to_process() -> usize {
    available(Path::new("/"))
}

/// The memory of the machine in bytes, or the smallest limit of the control groups that this
/// process is in (cgroup v2 and v1).
fn available(root: &Path) -> usize {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let total = |text: &str| {
        text.lines().find_map(|line| {
            let (_, kib) = line.split_once("MemTotal:")?;
            kib.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
        })
    };
    // systemd's `ProcSubset=pid` hides `/proc/meminfo`; the files in `/sys` exist once for each
    // memory node of the machine.
    let nodes =
        std::fs::read_dir(root.join("sys/devices/system/node")).into_iter().flatten().flatten();
    let of_nodes = || {
        nodes
            .filter_map(|node| total(&read(node.path().join("meminfo"))))
            .reduce(usize::saturating_add)
    };
    let mut least = total(&read(root.join("proc/meminfo"))).or_else(of_nodes).unwrap_or(FALLBACK);
    for line in read(root.join("proc/self/cgroup")).lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (folder, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            listed if listed.split(',').any(|controller| controller == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // The limit of a group also applies to the groups within it. In a container the path may be
        // one of the host; its top is then the container's.
        let mut group = Path::new(group.trim_start_matches('/'));
        loop {
            if let Ok(limit) =
                read(root.join(folder).join(group).join(file)).trim().parse::<usize>()
            {
                least = least.min(limit);
            }
            match group.parent() {
                Some(parent) => group = parent,
                None => break,
            }
        }
    }
    least
}

/// The resident memory of this process in bytes; `None` where the system does not report it.
#[must_use]
pub fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// Parses a size: `512MiB`, `2GiB`, `800MB`, or a number of bytes.
///
/// ```
/// use egov_kpi::memory::system::parse_size;
///
/// assert_eq!(parse_size("512MiB"), Ok(536_870_912));
/// assert_eq!(parse_size("2 GB"), Ok(2_000_000_000));
/// assert!(parse_size("lots").is_err());
/// ```
///
/// # Errors
/// A sentence that gives the expected form.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let expected = || "a size such as 512MiB or 2GiB is expected".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(expected)?;
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(expected()),
    };
    number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(files: &[(&str, &str)]) -> usize {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        available(root.path())
    }

    #[test]
    fn the_smallest_limit_of_machine_and_control_groups_applies() {
        let machine = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
        assert_eq!(system(&[machine]), 8 << 30);
        assert_eq!(
            system(&[
                machine,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n")
            ]),
            8 << 30
        );
        let outer = ("sys/fs/cgroup/a/memory.max", "1073741824\n");
        assert_eq!(
            system(&[
                machine,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                outer
            ]),
            1 << 30
        );
        assert_eq!(
            system(&[
                machine,
                ("proc/self/cgroup", "0::/../outside\n"),
                ("sys/fs/cgroup/memory.max", "536870912\n")
            ]),
            512 << 20
        );
        let old = [
            machine,
            ("proc/self/cgroup", "5:cpu:/\n4:memory:/docker/x\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
        ];
        assert_eq!(system(&old), 256 << 20);
        let node = |number: usize| format!("sys/devices/system/node/node{number}/meminfo");
        let (first, second) = (node(0), node(1));
        assert_eq!(
            system(&[
                (&first, "Node 0 MemTotal:  1048576 kB\n"),
                (&second, "Node 1 MemTotal:  1048576 kB\n")
            ]),
            2 << 30
        );
        assert_eq!(system(&[]), FALLBACK);
    }

    #[test]
    fn the_resident_memory_grows_with_what_is_written() {
        let before = resident().unwrap();
        let block = vec![1_u8; 64 << 20];
        assert!(resident().unwrap() > before + (32 << 20));
        assert_eq!(block.len(), 64 << 20);
    }

    #[test]
    fn parses_sizes_with_units() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("1g", 1 << 30), ("1000", 1000), ("3 kb", 3000)]
        {
            assert_eq!(parse_size(text), Ok(bytes));
        }
        for text in ["", "MiB", "-1", "1.5GiB", "5TiB", "99999999999999999999"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
