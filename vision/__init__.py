"""Camera frame to verdict. The room stands; its process comes with the vision capability."""
