Feature: Windows
  Scenario: S


    @step(name=A)   
      @do set a = 1
