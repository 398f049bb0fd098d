# Strangers' projects: one finds an installed accrete and exports a library of its own on top, a second one uses that library,
# a third one takes accrete in as a subfolder.
foreach(way IN ITEMS find_package add_subdirectory)
  add_test(NAME consume_${way}
           COMMAND "${CMAKE_COMMAND}" "-DWAY=${way}" "-DACCRETE=${PROJECT_SOURCE_DIR}" "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/consume_${way}" "-DGENERATOR=${CMAKE_GENERATOR}"
                   "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DLAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}" -P "${CMAKE_CURRENT_SOURCE_DIR}/consume/check.cmake")
  set_tests_properties(consume_${way} PROPERTIES LABELS slow TIMEOUT 600)
endforeach()
