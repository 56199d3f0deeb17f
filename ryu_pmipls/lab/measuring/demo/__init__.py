"""The main job, performed and measured in the lab; every effect is seen, or the demo fails."""
