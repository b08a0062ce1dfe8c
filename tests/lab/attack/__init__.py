"""Every attack against a model that is weak to it, and against one that always refuses."""
