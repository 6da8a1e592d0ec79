// In front of every kernel. Workgroups are counted in one dimension; where a device allows fewer,
// `launch.rs` folds them into two, and here they become one number again.
// Constant put in front: THREADS of a workgroup.

struct Thread {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    // Within the workgroup.
    @builtin(local_invocation_index) local: u32,
}

fn workgroup_of(thread: Thread) -> u32 {
    return thread.group.x + thread.group.y * thread.groups.x;
}

// Counted over all workgroups; the last ones may have nothing to do.
fn number_of(thread: Thread) -> u32 {
    return workgroup_of(thread) * THREADS + thread.local;
}
