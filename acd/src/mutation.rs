//! Bugs to be put in on purpose, to see that tests find them: the feature `mutations`. Without it
//! there is nothing here, and every [`mutated!`] is `false`.

/// Whether a centre has a bug; a constant without the feature.
#[cfg(feature = "mutations")]
macro_rules! mutated {
    ($centre:expr, $which:ident) => {
        $centre.mutation == Some($crate::mutation::Mutation::$which)
    };
}
#[cfg(not(feature = "mutations"))]
macro_rules! mutated {
    ($centre:expr, $which:ident) => {
        false
    };
}

/// A bug of the state machine.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Commands are carried out whatever offer token or session epoch they carry.
    FenceNotChecked,
    /// Whoever comes back to a queue begins at its end.
    ArrivalResetOnRequeue,
    /// Closed contacts and first answers to requests are state like any other, but nobody thought
    /// of them when writing snapshots or the state hash.
    MemoryNotInSnapshot,
    /// A gap without a leader is announced, and uses up people's time all the same.
    DeadlineInGap,
    /// What becomes matchable together is matched in another order.
    OtherOrder,
}

#[cfg(feature = "mutations")]
impl crate::Centre {
    /// Puts a bug into this replica. A restored centre has none.
    pub fn mutate(&mut self, mutation: Option<Mutation>) {
        self.mutation = mutation;
    }
}
