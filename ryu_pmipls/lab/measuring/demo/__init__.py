"""The main job, played and measured in the lab; every effect is seen, or the demo fails."""
