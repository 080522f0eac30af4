"""Steps from each layout of the ledger to the next; a step that was released never changes."""
