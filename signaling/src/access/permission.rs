//! What each role may do.

use hearing_config::Role;

/// What a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Send sound and picture, ask for the floor.
    Publish,
    /// See and hear.
    Subscribe,
    /// Admit, refuse, remove, call, mute, give the floor.
    ControlFloor,
    /// Open, recess, resume, mark, note, sign, close.
    ControlSession,
}

/// The table of permissions.
#[must_use]
pub const fn may(role: Role, permission: Permission) -> bool {
    match role {
        Role::Judge | Role::Clerk => true,
        Role::Prosecutor
        | Role::Defendant
        | Role::Guard
        | Role::Counsel
        | Role::Party
        | Role::Witness
        | Role::Expert
        | Role::Interpreter => matches!(permission, Permission::Publish | Permission::Subscribe),
        Role::Observer | Role::Technician => matches!(permission, Permission::Subscribe),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_judge_and_clerk_control_floor_and_session() {
        for role in Role::ALL {
            let controls = matches!(role, Role::Judge | Role::Clerk);
            assert_eq!(may(role, Permission::ControlFloor), controls, "{role}");
            assert_eq!(may(role, Permission::ControlSession), controls, "{role}");
        }
    }

    #[test]
    fn observer_and_technician_watch_and_never_publish() {
        for role in [Role::Observer, Role::Technician] {
            assert!(may(role, Permission::Subscribe));
            assert!(!may(role, Permission::Publish));
        }
    }
}
