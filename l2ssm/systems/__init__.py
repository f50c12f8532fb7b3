"""What a system is: immutable linear systems and chains of them, in numpy and scipy, float64."""
