"""What can be done with examples that were picked: export, tag, forget, replay.

The list of examples takes its actions from `admin.PickedActions`, a mixin for its ModelAdmin; each leads to a page
that says what it will do, and asks. What takes its time is an ActionRun: see runs. Other actions, such as one that adds
to a training file, register themselves: see registry.
"""
