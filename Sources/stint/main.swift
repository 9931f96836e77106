import StintCLI
print("stint")
