"""The project that runs Gleaner by itself; an application that only installs the apps does not need it."""
